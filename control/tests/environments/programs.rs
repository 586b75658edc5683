//! Small programs that the cases run on the nodes: this test program under another name.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs the helper program with this name, if it is one. Its arguments are those of the process.
pub fn run(name: &str) -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match name {
        "program-echo" => echo(&arguments[0]),
        "program-talk" => talk(&arguments[0]),
        "program-rtt" => rtt(&arguments[0]),
        "program-udp" => udp(&arguments[0]),
        "program-sink" => sink(&arguments[0]),
        "program-stream" => stream(&arguments[0]),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{name}: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Echoes what comes by TCP and by UDP.
fn echo(address: &str) -> std::io::Result<()> {
    let udp = UdpSocket::bind(address)?;
    let tcp = TcpListener::bind(address)?;
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(&buffer[..length], from);
        }
    });
    for stream in tcp.incoming() {
        let mut stream = stream?;
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}

/// Sends a byte over one connection, waits for its echo, writes a line; for ever.
fn talk(address: &str) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    loop {
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        println!("echoed");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Prints the shortest of ten round trips, in microseconds.
fn rtt(address: &str) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        stream.write_all(b"x")?;
        stream.read_exact(&mut [0])?;
        shortest = shortest.min(start.elapsed());
    }
    println!("{}", shortest.as_micros());
    Ok(())
}

/// Sends 200 datagrams and prints how many came back.
fn udp(address: &str) -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut back = 0;
    for round in 0..20 {
        for number in 0..10 {
            socket.send(&[round, number])?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    while socket.recv(&mut [0; 16]).is_ok() {
        back += 1;
    }
    println!("{back}");
    Ok(())
}

/// Reads one connection to its end and answers with one byte.
fn sink(address: &str) -> std::io::Result<()> {
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        let mut buffer = vec![0; 1 << 18];
        while stream.read(&mut buffer)? > 0 {}
        stream.write_all(b"x")?;
    }
    Ok(())
}

/// Sends 256 MiB to a sink and prints MiB/s.
fn stream(address: &str) -> std::io::Result<()> {
    let mut stream = connect(address)?;
    let chunk = vec![0; 1 << 18];
    let start = Instant::now();
    for _ in 0..1024 {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    println!("{:.0}", 256.0 / start.elapsed().as_secs_f64());
    Ok(())
}

/// Connects, waiting for the server to listen.
fn connect(address: &str) -> std::io::Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
