//! What an environment must be able to do; each case in a process of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{
    Ability, CONTROLLER, Command, ControlError, Daemon, EnvKind, Environment, Link, LinkChoice, LinkControl,
    OpenOptions, Pid, ProcessState, Shape, both_ways, links_between, netns,
};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};

use crate::{CASE, Ended, processes};

type Case = fn(&Path) -> Result<(), Ended>;
/// The end of a case.
pub type Done = Result<(), Ended>;

/// All cases by name.
pub const CASES: &[(&str, Case)] = &[
    ("switch_links", |directory| {
        inside(directory, LinkChoice::Switch, links)
    }),
    ("iptables_links", |directory| {
        inside(directory, LinkChoice::Iptables, links)
    }),
    ("switch_silence", |directory| {
        inside(directory, LinkChoice::Switch, silence)
    }),
    ("iptables_silence", |directory| {
        inside(directory, LinkChoice::Iptables, silence)
    }),
    ("switch_shapes", |directory| {
        inside(directory, LinkChoice::Switch, shapes)
    }),
    ("switch_samples", |directory| {
        inside(directory, LinkChoice::Switch, samples)
    }),
    ("iptables_refuses_shapes", |directory| {
        inside(directory, LinkChoice::Iptables, no_shapes)
    }),
    ("switch_stream", |directory| {
        inside(directory, LinkChoice::Switch, stream)
    }),
    ("iptables_stream", |directory| {
        inside(directory, LinkChoice::Iptables, stream)
    }),
    ("netns_processes", |directory| {
        inside(directory, LinkChoice::Switch, processes::all)
    }),
    ("local_processes", |directory| local(directory, processes::all)),
    ("local_links", |directory| local(directory, local_links)),
    ("hidden_iptables", hidden_iptables),
    ("threads_come_later", threads_come_later),
    ("what_it_can_it_can", what_it_can_it_can),
];

const ALL: [usize; 5] = [0, 1, 2, 3, 4];
const LIMIT: Duration = Duration::from_secs(20);
/// How long nothing may come through: long enough for a datagram on a busy machine.
const CUT_LIMIT: Duration = Duration::from_millis(400);

/// Enters namespaces and runs a case on five nodes.
fn inside<F: Future<Output = Done>>(
    directory: &Path,
    links: LinkChoice,
    case: impl Fn(Arc<dyn Environment>) -> F,
) -> Done {
    if let Err(refusal) = netns::try_namespaces() {
        return Err(Ended::Missing(
            "netns",
            format!("{}; {}", refusal.why, refusal.remedy),
        ));
    }
    netns::enter()?;
    let mut options = OpenOptions::new(ALL.len(), directory);
    options.links = links;
    options.seed = 7;
    let start = Instant::now();
    let environment = match control::open(EnvKind::Netns, &options) {
        Ok(environment) => environment,
        Err(error @ ControlError::Unavailable { .. }) if links == LinkChoice::Iptables => {
            return Err(Ended::Missing("iptables", error.to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    println!("up in {} ms", start.elapsed().as_millis());
    on(environment, case)
}

fn local<F: Future<Output = Done>>(directory: &Path, case: impl Fn(Arc<dyn Environment>) -> F) -> Done {
    on(
        control::open(EnvKind::Local, &OpenOptions::new(ALL.len(), directory))?,
        case,
    )
}

fn on<F: Future<Output = Done>>(
    environment: Arc<dyn Environment>,
    case: impl Fn(Arc<dyn Environment>) -> F,
) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        case(Arc::clone(&environment)).await?;
        environment.tear_down().await?;
        let children = waitpid(None, Some(WaitPidFlag::WNOHANG));
        ensure(
            children == Err(Errno::ECHILD),
            format!("left after the tear-down: {children:?}"),
        )?;
        Ok(environment.tear_down().await?)
    })
}

/// Inside, an unprivileged user looks like root; whatever can be had there is tried. Power was promised to
/// ordinary users once, and every run in which it had a turn was `unknown`.
fn what_it_can_it_can(directory: &Path) -> Done {
    inside(directory, LinkChoice::Switch, async |environment| {
        for ability in [Ability::Power, Ability::Fill] {
            match environment.can(ability) {
                Ok(()) => {
                    let place = directory.join(format!("{ability:?}"));
                    std::fs::create_dir(&place)?;
                    let mut options = OpenOptions::new(1, &place);
                    options.abilities = [ability].into();
                    control::open(EnvKind::Local, &options)?.tear_down().await?;
                }
                Err(why) => println!("{ability:?} not here: {why}"),
            }
        }
        Ok(())
    })
}

/// With those of the controller, where they can be cut.
fn every_link(environment: &dyn Environment) -> Vec<Link> {
    let mut hosts = ALL.to_vec();
    if environment.can(Ability::CutClients).is_ok() {
        hosts.push(CONTROLLER);
    }
    links_between(&hosts, &hosts)
}

/// Fails unless exactly these links are cut: nothing passes them, and the network knows of them.
async fn expect_cut(environment: &dyn Environment, cut: &[Link], when: &str) -> Done {
    let known = environment.net().cuts().await;
    ensure(
        known.len() == cut.len() && cut.iter().all(|link| known.contains(link)),
        format!("{when}: cut were {cut:?}, and the network knows of {known:?}"),
    )?;
    expect_shut(environment, cut, when).await
}

/// Fails unless exactly these links do not pass, for whatever reason.
async fn expect_shut(environment: &dyn Environment, cut: &[Link], when: &str) -> Done {
    let (open, shut): (Vec<Link>, Vec<Link>) = every_link(environment)
        .into_iter()
        .partition(|link| !cut.contains(link));
    let net = environment.net();
    let passing = net.probe(&open, LIMIT).await?;
    let not_passing = net.probe(&shut, CUT_LIMIT).await?;
    if !passing.iter().all(|&passes| passes) || not_passing.iter().any(|&passes| passes) {
        return Err(Ended::Failed(format!(
            "{when}: cut were {cut:?}; of the open {open:?} pass {passing:?}; of the cut {shut:?} pass {not_passing:?}"
        )));
    }
    Ok(())
}

pub fn ensure(condition: bool, what: impl Into<String>) -> Done {
    if condition {
        Ok(())
    } else {
        Err(Ended::Failed(what.into()))
    }
}

/// Cuts are as requested, add up, and are healed.
async fn links(environment: Arc<dyn Environment>) -> Done {
    let (environment, net) = (&*environment, environment.net());
    expect_cut(environment, &[], "at first").await?;

    let one_way = [Link { from: 0, to: 1 }];
    let start = Instant::now();
    net.cut(&one_way).await?;
    println!("one link cut in {} us", start.elapsed().as_micros());
    expect_cut(environment, &one_way, "one way").await?;

    let halves = both_ways(&[0, 1], &[2, 3, 4]);
    let start = Instant::now();
    net.cut(&halves).await?;
    println!("twelve in {} us", start.elapsed().as_micros());
    let both: Vec<Link> = one_way.iter().chain(&halves).copied().collect();
    expect_cut(environment, &both, "halves").await?;

    for node in ALL {
        // The controller always gets through: refused, not silent.
        let error = tokio::net::TcpStream::connect(environment.endpoint(node, 9)?).await;
        ensure(
            error.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused),
            format!("the controller does not reach node {node}"),
        )?;
    }

    let start = Instant::now();
    net.heal().await?;
    println!("healed in {} us", start.elapsed().as_micros());
    expect_cut(environment, &[], "healed").await?;
    net.heal().await?;
    net.cut(&[]).await?;
    expect_cut(environment, &[], "healed again").await?;
    for (from, to) in [(CONTROLLER, 2), (3, CONTROLLER)] {
        net.cut(&[Link { from, to }]).await?;
    }
    let clients = [
        Link {
            from: CONTROLLER,
            to: 2,
        },
        Link {
            from: 3,
            to: CONTROLLER,
        },
    ];
    expect_cut(environment, &clients, "clients").await?;
    net.heal().await?;
    expect_cut(environment, &[], "clients healed").await?;
    let nowhere = [Link { from: 0, to: 9 }];
    ensure(net.cut(&nowhere).await.is_err(), "a link to nowhere was cut")
}

/// A connection across a cut goes silent, is not reset, and resumes.
async fn silence(environment: Arc<dyn Environment>) -> Done {
    let (environment, net) = (&*environment, environment.net());
    let echo = spawn_program(environment, 0, "program-echo", 0).await?;
    let talk = spawn_program(environment, 1, "program-talk", 0).await?;
    let log = environment.remote(1).directory().join("log");
    let lines = || std::fs::read(&log).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count());
    wait_for("the connection talks", || lines() >= 3).await?;

    let cut = both_ways(&[0], &[1]);
    net.cut(&cut).await?;
    // What was on its way has arrived.
    expect_cut(environment, &cut, "cut").await?;
    let before = lines();
    tokio::time::sleep(Duration::from_millis(600)).await;
    ensure(lines() == before, "the connection went on across a cut")?;
    ensure(
        environment.remote(1).state(talk).await? == ProcessState::Running,
        "the connection was reset",
    )?;

    net.heal().await?;
    wait_for("the connection resumes", || lines() > before + 3).await?;
    ensure(
        environment.remote(0).state(echo).await? == ProcessState::Running,
        "the server died",
    )
}

async fn shapes(environment: Arc<dyn Environment>) -> Done {
    let (environment, net) = (&*environment, environment.net());
    ensure(
        net.can_shape() && net.control() == LinkControl::Switch,
        "no shaping",
    )?;
    spawn_program(environment, 0, "program-echo", 0).await?;
    let plain = number(run_program(environment, 1, "program-rtt", 0).await?)?;
    for link in both_ways(&[0], &[1]) {
        let delay = Duration::from_millis(25);
        net.shape(
            link,
            Shape {
                delay,
                ..Shape::default()
            },
        )
        .await?;
    }
    let delayed = number(run_program(environment, 1, "program-rtt", 0).await?)?;
    println!("round trip {plain} us, with 25 ms each way {delayed} us");
    ensure(delayed >= 50_000, format!("a round trip took only {delayed} us"))?;
    expect_cut(environment, &[], "delayed").await?;

    net.heal().await?;
    ensure(
        number(run_program(environment, 1, "program-udp", 0).await?)? == 200,
        "healed, and yet lossy",
    )?;
    let link = Link { from: 1, to: 0 };
    let (delay, loss) = (Duration::ZERO, 0.5);
    net.shape(
        link,
        Shape {
            delay,
            loss,
            ..Shape::default()
        },
    )
    .await?;
    let back = number(run_program(environment, 1, "program-udp", 0).await?)?;
    println!("{back} of 200 came through a loss of one half");
    // Ten standard deviations of the binomial distribution.
    ensure(
        (30..=170).contains(&back),
        format!("{back} of 200 came through a loss of one half"),
    )?;
    net.shape(
        link,
        Shape {
            delay,
            loss: 1.0,
            ..Shape::default()
        },
    )
    .await?;
    expect_shut(environment, &[link], "all lost").await?;
    net.shape(link, Shape::default()).await?;
    expect_cut(environment, &[], "shape undone").await?;
    ensure(
        net.shape(
            link,
            Shape {
                delay,
                loss: 1.5,
                ..Shape::default()
            },
        )
        .await
        .is_err(),
        "a loss of 1.5",
    )
}

/// Every kind of shape shows in a sample of the link, in one direction only, and is undone.
async fn samples(environment: Arc<dyn Environment>) -> Done {
    let net = environment.net();
    let (there, back) = (Link { from: 0, to: 1 }, Link { from: 1, to: 0 });
    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }
    let plain = Shape::default();
    type Shows = fn(&control::Sample) -> bool;
    let cases: [(&str, Shape, Shows); 7] = [
        (
            "delay",
            Shape {
                delay: ms(40),
                ..plain
            },
            |sample| sample.way(0) >= ms(40),
        ),
        (
            "jitter",
            Shape {
                delay: ms(30),
                jitter: ms(30),
                ..plain
            },
            |sample| sample.way(90) >= sample.way(10) + ms(15),
        ),
        ("loss", Shape { loss: 0.5, ..plain }, |sample| {
            (20..80).contains(&sample.arrived)
        }),
        (
            "duplicate",
            Shape {
                duplicate: 0.5,
                ..plain
            },
            |sample| (20..80).contains(&sample.again),
        ),
        (
            "reorder",
            Shape {
                delay: ms(20),
                reorder: 0.3,
                ..plain
            },
            |sample| sample.overtaken > 5,
        ),
        (
            "corrupt",
            Shape {
                corrupt: 0.5,
                ..plain
            },
            |sample| (20..80).contains(&sample.arrived),
        ),
        // 100 datagrams of 1000 bytes and some headers: 0.8 s and more.
        (
            "rate",
            Shape {
                rate: 1_000_000,
                ..plain
            },
            |sample| sample.lasted >= ms(800),
        ),
    ];
    for (name, shape, shows) in cases {
        net.shape(there, shape).await?;
        let sample = net.sample(there, 100, 1000, ms(2000)).await?;
        ensure(shows(&sample), format!("{name} does not show: {sample:?}"))?;
        let other = net.sample(back, 100, 1000, ms(2000)).await?;
        ensure(
            other.arrived == 100 && other.again == 0 && other.way(50) < ms(15),
            format!("{name} shows on the way back: {other:?}"),
        )?;
        net.heal().await?;
    }
    let sample = net.sample(there, 100, 1000, ms(2000)).await?;
    ensure(
        sample.arrived == 100 && sample.again == 0 && sample.way(50) < ms(15),
        format!("not undone: {sample:?}"),
    )
}

async fn no_shapes(environment: Arc<dyn Environment>) -> Done {
    let net = environment.net();
    ensure(
        !net.can_shape() && net.control() == LinkControl::Iptables,
        "claims to shape",
    )?;
    let (delay, loss) = (Duration::from_millis(1), 0.0);
    let refused = net
        .shape(
            Link { from: 0, to: 1 },
            Shape {
                delay,
                loss,
                ..Shape::default()
            },
        )
        .await;
    ensure(
        refused.is_err_and(|error| error.to_string().contains("--links switch")),
        "no hint",
    )?;
    ensure(
        environment
            .lost()
            .iter()
            .any(|line| line.contains("--links switch")),
        "nothing lost",
    )
}

/// Not a measurement to judge by, but the stream must come through whole; prints what it saw.
async fn stream(environment: Arc<dyn Environment>) -> Done {
    spawn_program(&*environment, 0, "program-sink", 0).await?;
    let rate = number(run_program(&*environment, 1, "program-stream", 0).await?)?;
    spawn_program(&*environment, 0, "program-echo", 1).await?;
    let round_trip = number(run_program(&*environment, 1, "program-rtt", 1).await?)?;
    println!("one TCP stream {rate} MiB/s, round trip {round_trip} us");
    Ok(())
}

async fn local_links(environment: Arc<dyn Environment>) -> Done {
    let net = environment.net();
    ensure(
        net.control() == LinkControl::None && !net.can_shape(),
        "claims to cut",
    )?;
    expect_cut(&*environment, &[], "local").await?;
    ensure(
        matches!(
            net.cut(&every_link(&*environment)).await,
            Err(ControlError::Unsupported { .. })
        ),
        "links were cut",
    )?;
    net.heal().await?;
    let endpoints: Vec<_> = ALL
        .iter()
        .map(|&node| environment.endpoint(node, 5080))
        .collect::<Result<_, _>>()?;
    spawn_program(&*environment, 4, "program-echo", 80).await?;
    wait_for("the echo listens", || {
        std::net::TcpStream::connect(endpoints[4]).is_ok()
    })
    .await
}

fn hidden_iptables(directory: &Path) -> Done {
    if let Err(refusal) = netns::try_namespaces() {
        return Err(Ended::Missing("netns", refusal.why));
    }
    netns::enter()?;
    for (links, expected) in [
        (LinkChoice::Auto, Some(LinkControl::Switch)),
        (LinkChoice::Switch, Some(LinkControl::Switch)),
        (LinkChoice::Iptables, None),
    ] {
        let run_dir = directory.join(links.to_string());
        std::fs::create_dir(&run_dir)?;
        let mut options = OpenOptions::new(2, run_dir);
        options.links = links;
        options.hide_iptables = true;
        let opened = control::open(EnvKind::Netns, &options);
        let control = opened.ok().map(|environment| environment.net().control());
        ensure(control == expected, format!("{links}: {control:?}"))?;
    }
    Ok(())
}

fn threads_come_later(_: &Path) -> Done {
    if let Err(refusal) = netns::try_namespaces() {
        return Err(Ended::Missing("netns", refusal.why));
    }
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || wait.recv());
    let refused = netns::enter();
    drop(release);
    let _ = thread.join();
    ensure(refused.is_err(), "entered with two threads")
}

/// Starts a helper program on a node; all of them are about the service of node 0 (of `node` for servers).
async fn spawn_program(
    environment: &dyn Environment,
    node: usize,
    name: &str,
    port: u16,
) -> Result<Pid, Ended> {
    let remote = environment.remote(node);
    let serves = ["program-echo", "program-sink"].contains(&name);
    let address = environment.endpoint(if serves { node } else { 0 }, 5000 + port)?;
    let daemon = Daemon {
        program: remote.own_binary().into(),
        args: vec![address.to_string().into()],
        env: vec![(CASE.into(), name.into())],
        directory: remote.directory().into(),
        log: remote.directory().join("log"),
    };
    Ok(remote.spawn(&daemon).await?)
}

/// Runs a helper program against the service of node 0; gives what it printed.
async fn run_program(
    environment: &dyn Environment,
    node: usize,
    name: &str,
    port: u16,
) -> Result<String, Ended> {
    let remote = environment.remote(node);
    let address = environment.endpoint(0, 5000 + port)?.to_string();
    let mut command = Command::new(remote.own_binary(), [address]);
    command.env.push((CASE.into(), name.into()));
    command.limit = Duration::from_secs(60);
    let output = remote.exec(&command).await?.or_failed(remote.node(), &command)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn number(text: String) -> Result<u64, Ended> {
    text.parse()
        .map_err(|_| Ended::Failed(format!("`{text}` is no number")))
}

pub async fn wait_for(what: &str, condition: impl Fn() -> bool) -> Done {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        if Instant::now() > deadline {
            return Err(Ended::Failed(format!("never happened: {what}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
