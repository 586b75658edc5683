//! `perjury serve`, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub struct Serving {
    child: Child,
    /// `127.0.0.1:40123`
    pub address: String,
}

impl Serving {
    /// Serves the runs below a directory.
    pub fn start(runs: &Path) -> Serving {
        let mut child = Command::new(env!("CARGO_BIN_EXE_perjury"))
            .args(["serve", "--listen", "127.0.0.1:0", "--runs"])
            .arg(runs)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut words = line.split_whitespace();
        let url = words
            .find_map(|word| word.strip_prefix("http://"))
            .expect("an address");
        Serving {
            address: url.trim_end_matches('/').to_owned(),
            child,
        }
    }
}

impl Serving {
    /// What Ctrl-C does; it must end within some seconds.
    #[allow(dead_code, reason = "not every test that serves interrupts")]
    pub fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() {
            assert!(std::time::Instant::now() < deadline, "Ctrl-C does not end it");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
