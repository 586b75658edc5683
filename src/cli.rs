//! The command line: what the user can call for. Flags are stable, because scripts depend on them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use control::inside::FsyncMode;
use control::{EnvChoice, LinkChoice};
use history::Part;
use history::formats::Order;
use serde::{Deserialize, Serialize};

use crate::amounts::{parse_bytes, parse_duration};
use crate::fail_on::{self, FailList};

/// Finds out whether a distributed store tells the truth.
///
/// Exit codes: 0 valid, 1 invalid, 2 unknown, 254 usage error, 255 perjury itself failed.
#[derive(Parser, Debug)]
#[command(name = "perjury", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a test: start a cluster, drive it, break it, judge it, report.
    Test(Box<TestArgs>),
    /// Run a matrix of tests from a TOML file, and write a page that shows them all.
    TestAll(TestAllArgs),
    /// Look for a violation in many short runs with different faults each time, and for the fewest faults
    /// that show it.
    Hunt(HuntArgs),
    /// Try every planted bug of the bundled cluster, and say how many are found, how soon and by what.
    Gallery(GalleryArgs),
    /// Judge recorded histories of perjury, Jepsen, Porcupine or Elle.
    Check(CheckArgs),
    /// Write a history in the format of another checker.
    Export(ExportArgs),
    /// Judge a run again and rewrite its reports.
    Report(ReportArgs),
    /// Compare runs: availability, times to recover and latencies, with medians and intervals.
    Compare(CompareArgs),
    /// Show all runs in a browser: filter them, compare them, watch one in progress.
    Serve(ServeArgs),
    /// List the systems, workloads, nemeses, models, formats and planted bugs.
    List,
    /// Show what works on this machine, or on other hosts, and how to get the rest to work.
    Doctor(DoctorArgs),
    /// Undo what a controller that died left behind.
    Heal(HealArgs),
    /// Measure perjury itself and the bundled cluster.
    Bench(BenchArgs),
    /// Run one node of the bundled Raft cluster.
    Node(NodeArgs),
    /// Do to a process what a nemesis calls for, on the process's own node.
    #[command(hide = true)]
    Tamper(TamperArgs),
    /// Work on a node for a controller elsewhere.
    #[command(hide = true)]
    Agent(AgentArgs),
}

/// `perjury test`
#[derive(Args, Debug, Clone)]
#[command(
    args_override_self = true,
    after_help = "Examples:
  perjury test                                     the bundled cluster, with faults that overlap; 30 s
  perjury test --bug stale-read --nemesis partition    catch a planted bug
  perjury test --nemesis kill:leader,pause --rate 500 --time-limit 2m
  perjury test --nemesis none --ops 10000 --seed 7
  perjury test --replay runs/<the run>             the flags and the faults of that run once more
  perjury test --stop-on-violation --time-limit 1h     look for a bug, and stop as soon as it shows
  perjury test --env docker
  perjury test etcd --env ssh --node root@db1,root@db2,root@db3"
)]
pub struct TestArgs {
    /// The system under test (see `perjury list`).
    #[arg(default_value = "bundled")]
    pub system: String,
    /// Where the nodes run: `netns` (one network namespace per node), `local` (plain processes on loopback
    /// ports, whose links cannot be cut), `docker` (one container per node), `ssh` (one host per node, see
    /// --node), or `auto`: netns where that works, else local.
    #[arg(long, default_value_t, value_name = "ENV")]
    pub env: EnvChoice,
    /// How links between nodes are cut: `iptables` (rules in a chain that only perjury uses), `switch` (a
    /// built-in switch in user space), or `auto`: iptables where that works, else switch.
    #[arg(long, default_value_t, value_name = "HOW")]
    pub links: LinkChoice,
    /// Where hosts are and how they are reached.
    #[command(flatten)]
    pub ssh: SshArgs,
    /// The command that starts the store behind --endpoints again after a kill, run by a shell on its host,
    /// such as `systemctl start etcd`; `true` if something else restarts it.
    #[arg(long, value_name = "COMMAND")]
    pub start_command: Option<String>,
    /// The image of the containers for --env docker. The bundled cluster needs none.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=64), allow_negative_numbers = true)]
    pub nodes: u16,
    /// The operations that clients call and how they are judged (see `perjury list`).
    #[arg(long, default_value = "register")]
    pub workload: String,
    /// The faults: a list such as `kill,pause,partition`, `kill:leader,partition:majorities-ring` or
    /// `kill:n1+n3`, or `none`. By default kill, pause, partition and power, and transfer and compact where
    /// the store has them, as far as the environment supports them.
    #[arg(long, value_name = "LIST")]
    pub nemesis: Option<String>,
    /// A TOML file that says when each fault begins, how long it lasts and what it is aimed at. Every run
    /// directory with faults has one, `schedule.toml`.
    #[arg(long, value_name = "FILE", conflicts_with = "nemesis")]
    pub schedule: Option<PathBuf>,
    /// Repeat a recorded run: its flags, unless others are given here, and the same faults at the same times
    /// on the same nodes. The outcome may differ.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["nemesis", "schedule", "endpoints"])]
    pub replay: Option<PathBuf>,
    /// About how long a fault lasts, and how long the store rests between faults; each time is drawn around
    /// this one. By default what suits the system: 1.2 s for the bundled cluster, 2.5 s for others.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub fault_interval: Option<Duration>,
    /// How many faults may be in force at once, each of another nemesis; 1 for one after the other.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub faults_at_once: u8,
    /// How many faults of each nemesis must take hold: with fewer, the verdict is unknown.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub min_faults: u32,
    /// A planted bug of the bundled cluster to switch on, or several: `stale-read,skip-fsync` (see `perjury
    /// list`).
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// The store's program, to test another version than the one on the PATH.
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// How reads are done, where the store has several ways, such as `serializable` or `stale` (see `perjury
    /// list`).
    #[arg(long, value_name = "MODE")]
    pub read_mode: Option<String>,
    /// Test a cluster that is already running: one address per node, such as
    /// `http://10.0.0.1:2379,http://10.0.0.2:2379`. Nothing is started, and there are no faults unless --node
    /// and --nemesis are given.
    #[arg(long, value_name = "URL,…", value_delimiter = ',', conflicts_with_all = ["env", "links", "nodes"])]
    pub endpoints: Vec<String>,
    /// The user to log in as: `name`, or `name:password` as in etcdctl. --password-file keeps the password
    /// out of the list of processes.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The file whose first line is the user's password.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The file whose first line is the token that the store requires (Consul's ACL token).
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The PEM file with the certificates of the authorities that the store's certificate is checked against.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// The PEM file with the client's certificate.
    #[arg(long, value_name = "FILE")]
    pub cert_file: Option<PathBuf>,
    /// The PEM file with the key of the client's certificate.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Client threads: a number, or a multiple of the number of nodes such as `6n`.
    #[arg(long, default_value = "6n", value_name = "N")]
    pub concurrency: String,
    /// The most operations per second; without it, as many as possible.
    #[arg(long, value_name = "OPS", allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// How long clients are active, such as `30s` or `5m`.
    #[arg(long, default_value = "30s", value_parser = parse_duration, value_name = "TIME")]
    pub time_limit: Duration,
    /// The most operations in all, not counting the final reads after the faults.
    #[arg(long, value_name = "N")]
    pub ops: Option<u64>,
    /// How long a client waits for an answer. A third of the clients gives up after a third of it, and
    /// another third waits four times as long, but not more than 5 s longer.
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "TIME")]
    pub op_timeout: Duration,
    /// What a run fails on although it proves no broken promise: `log`, `crash`, `election`, `growth=256MiB`,
    /// `slow-recovery=10s`, `unavailable=5%` (bounds may be left out, but for the last), `all` or `none`.
    /// What one of perjury's own faults may explain never counts.
    #[arg(long, default_value = "none", value_parser = fail_on::parse, value_name = "LIST")]
    pub fail_on: FailList,
    /// How long the store may take to answer again after the last heal. One that does not has failed.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub recovery_limit: Duration,
    /// The seed of everything random; without it, one is drawn and printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The directory in which run directories are made.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// Stop the clients as soon as a violation shows; healing, judging and reporting follow as usual.
    #[arg(long)]
    pub stop_on_violation: bool,
    /// Keep the nodes' data as well as their logs.
    #[arg(long)]
    pub keep_data: bool,
    /// Which of these flags the command line gives, for the record; set by [`crate::plan::flags::parse`].
    #[arg(skip)]
    pub given: Vec<Given>,
}

/// A flag as the command line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The name of its field.
    pub id: String,
    /// Its values; none for a switch.
    pub values: Vec<std::ffi::OsString>,
}

/// Hosts that are reached by SSH.
#[derive(Args, Debug, Clone)]
pub struct SshArgs {
    /// The hosts for --env ssh, one per node, as `user@host` or `user@host:port`. With --endpoints, the host
    /// of each endpoint, so that --nemesis can cause faults there.
    #[arg(long, value_name = "USER@HOST,…", value_delimiter = ',')]
    pub node: Vec<String>,
    /// A file with hosts, one per line.
    #[arg(long, value_name = "FILE")]
    pub nodes_file: Option<PathBuf>,
    /// The private key to log in with; without it, the keys of the SSH agent and the usual files in ~/.ssh
    /// are tried.
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// The file with the hosts' public keys, instead of ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Accept any host key.
    #[arg(long, conflicts_with = "known_hosts")]
    pub ssh_no_host_key_check: bool,
    /// Become root on the hosts with `sudo -n`.
    #[arg(long)]
    pub sudo: bool,
}

/// `perjury test-all`
#[derive(Args, Debug)]
#[command(
    after_help = "An example of such a file. Every list has a default (bundled; register; kill,pause,partition; 1):

  flags = [\"--nodes\", \"3\", \"--time-limit\", \"30s\"]
  systems = [\"bundled\", \"etcd\"]
  workloads = [\"register\", \"set\", \"append\"]
  nemeses = [\"kill,pause,partition\", \"clock\"]
  seeds = [1, 2]

  [[exclude]]
  system = \"etcd\"
  nemesis = \"clock\"

Workloads that a system does not support are left out. Exit codes: 0 if every test is valid, 1 if any is invalid, else 2.
254 usage error, 255 a test could not be finished."
)]
pub struct TestAllArgs {
    /// The TOML file with the matrix.
    #[arg(value_name = "FILE")]
    pub matrix: PathBuf,
    /// The directory in which one directory for all the tests is made.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
}

/// `perjury doctor`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury doctor
  perjury doctor --node root@db1,root@db2")]
pub struct DoctorArgs {
    /// The hosts to look at instead of this machine.
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// `perjury hunt`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury hunt --time-limit 10m -- --bug forget-vote --nodes 3
  perjury hunt --time-limit 1h --nemesis kill,pause,clock -- etcd --workload append

Exit codes: 0 no violation found, 1 violation found, 254 usage error, 255 perjury itself failed.")]
pub struct HuntArgs {
    /// How long to hunt.
    #[arg(long, default_value = "10m", value_parser = parse_duration, value_name = "TIME")]
    pub time_limit: Duration,
    /// How long the clients of each run are active.
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub run_time: Duration,
    /// How long to look for fewer and shorter faults once a violation was found.
    #[arg(long, default_value = "5m", value_parser = parse_duration, value_name = "TIME")]
    pub shrink_limit: Duration,
    /// The nemeses to draw from, such as `kill,partition:leader,clock`; by default every one that works
    /// here.
    #[arg(long, value_name = "LIST")]
    pub nemesis: Option<String>,
    /// How many runs are made at a time; by default one for every two processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub jobs: Option<u8>,
    /// Go on with a hunt that was interrupted or found nothing: its directory. Its flags are as they were.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["nemesis", "seed", "test"])]
    pub resume: Option<PathBuf>,
    /// End with the first violation, without looking for the fewest faults that show it.
    #[arg(long)]
    pub only_find: bool,
    /// The seed of everything random; without it, one is drawn and printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The directory in which a directory for the hunt is made.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// The system and the flags of each run, as for `perjury test`.
    #[arg(last = true, value_name = "TEST_FLAGS")]
    pub test: Vec<String>,
}

/// `perjury gallery`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury gallery --out gallery                    every planted bug, three times, in the default test of 60 s
  perjury gallery --by default,own,hunt --trials 7 --clean 40 --out gallery
  perjury gallery --only stale-read,storage --by own --out some

An interrupted gallery goes on where it was when the same command is given again.")]
pub struct GalleryArgs {
    /// Names of planted bugs or of families of them (see `perjury list`); by default all.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How each is looked for: by the default test, by the test that suits it, by a hunt.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "default")]
    pub by: Vec<Way>,
    /// How often each bug is looked for in each way.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: u32,
    /// How many tests are made without a bug, to see whether perjury accuses where there is none.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub clean: u32,
    /// How long the clients of a test are active.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    pub time_limit: Duration,
    /// How long a hunt lasts.
    #[arg(long, default_value = "10m", value_parser = parse_duration, value_name = "TIME")]
    pub hunt_limit: Duration,
    /// The seed of everything random; trials count on from it.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(..1_000_000))]
    pub seed: u64,
    /// The directory for the trials and the table.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Keep the run directory of every trial, not only of those that went wrong.
    #[arg(long)]
    pub keep: bool,
    /// A Markdown page in which the table replaces the one that is there.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
}

/// How a planted bug is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By a test with the default flags.
    Default,
    /// By the nemesis, the workload and the flags that suit it.
    Own,
    /// By a hunt with the default flags.
    Hunt,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 3] = [Way::Default, Way::Own, Way::Hunt];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Way::Default => "default",
            Way::Own => "own",
            Way::Hunt => "hunt",
        }
    }

    /// In a table.
    pub fn title(self) -> &'static str {
        match self {
            Way::Default => "default test",
            Way::Own => "own test",
            Way::Hunt => "hunt",
        }
    }
}

/// `perjury check`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury check history.edn                          a Jepsen history; the model is guessed and named
  perjury check --model cas-register --initial 0 *.edn
  perjury check --html why.html runs/<the run>       draw the violation
  perjury check --time-limit 10s --memory-limit 2GiB big.jsonl

The formats and models are in `perjury list`.")]
pub struct CheckArgs {
    /// Run directories, directories of Jepsen or etcd, or files with a history; `-` is standard input.
    #[arg(value_name = "RUN_OR_FILE", required = true)]
    pub paths: Vec<PathBuf>,
    /// What the store is taken for (see `perjury list`); guessed from the operations when not given.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// What every object holds at first: `nil`, a number, a text, or a list such as `[1 2]`; by default what
    /// the model begins with.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub initial: Option<String>,
    /// The format of the files (see `perjury list`); by default recognized by their content. Not for run
    /// directories.
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// In which order things happened, where lines, indices and times contradict each other: `lines`, `index`
    /// or `time`; by default what the file itself tells. Not for formats that leave it no choice.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<Order>,
    /// Say how each file is understood, with its first operations, and judge nothing.
    #[arg(long, conflicts_with = "html")]
    pub explain_reading: bool,
    /// The last read of each process was made after the store had had the time to converge, as if it were
    /// marked with `:final? true`; for the models g-set and pn-counter.
    #[arg(long)]
    pub last_reads_final: bool,
    /// How long judging each history may take; after that, the verdict is unknown.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub time_limit: Option<Duration>,
    /// How much memory judging may take, such as `2GiB`; if a history needs more, the verdict is unknown.
    #[arg(long, default_value = "4GiB", value_parser = parse_bytes, value_name = "SIZE")]
    pub memory_limit: usize,
    /// Judge only one part of the keys, such as `2/8`, the second of eight parts; together, the parts are the
    /// whole. Which key belongs to which part is the same on every machine.
    #[arg(long, value_name = "I/N")]
    pub keys: Option<Part>,
    /// Write a page with the history and the violation, if any, to this file (one history only). An existing
    /// file is only overwritten if it is such a page.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `perjury export`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury export --to edn runs/<the run> > history.edn     for Knossos and Elle
  perjury export --to elle-json history.jsonl -o history.json")]
pub struct ExportArgs {
    /// A run directory, or a file with a history in any format.
    #[arg(value_name = "RUN_OR_FILE")]
    pub path: PathBuf,
    /// The format to write (see `perjury list`).
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// The format of the file; by default recognized by its content.
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// Where to write; by default standard output. An existing file is not overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `perjury report`
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// What the run fails on, as for `perjury test`; by default what it was begun with.
    #[arg(long, value_parser = fail_on::parse, value_name = "LIST")]
    pub fail_on: Option<FailList>,
    /// A run directory.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
}

/// `perjury heal`
#[derive(Args, Debug)]
pub struct HealArgs {
    /// The run directory to heal; by default every run in the directory of runs.
    #[arg(value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// The directory in which run directories are made.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
}

/// `perjury compare`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  perjury compare runs/A runs/B                    two runs
  perjury compare runs/new-* --against runs/old-*  a version and its baseline; six runs of each are best
  perjury compare runs/*                           runs of several versions: one group per version, the first is the baseline

Exit codes: 0, or 1 if anything is clearly worse and --fail-if-worse is given; 254 usage error, 255 perjury itself failed.")]
pub struct CompareArgs {
    /// Run directories that were judged, or their results.json.
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The runs that are the baseline.
    #[arg(long, num_args = 1.., value_name = "RUN")]
    pub against: Vec<PathBuf>,
    /// Exit with 1 where the verdict or any figure is clearly worse than the baseline's.
    #[arg(long)]
    pub fail_if_worse: bool,
}

/// `perjury serve`
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// The directory of the runs.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    /// The address to listen on. Everyone who can reach it can read the runs.
    #[arg(long, default_value = "127.0.0.1:7999", value_name = "ADDRESS:PORT")]
    pub listen: std::net::SocketAddr,
}

/// `perjury bench`
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub what: BenchWhat,
}

/// What `perjury bench` measures.
#[derive(Subcommand, Debug, Clone)]
pub enum BenchWhat {
    /// The controller alone, with a store that answers at once.
    Runner {
        /// Client threads.
        #[arg(long, default_value_t = 10)]
        concurrency: usize,
        /// Operations in all.
        #[arg(long, default_value_t = 1_000_000)]
        ops: u64,
    },
    /// The checker, compared with sorting the timestamps, and on a grid of hard histories.
    Check {
        /// Operations of the history with values written once.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
        ops: u32,
        /// Leave out the rows of the grid with more operations than this.
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(..=100_000))]
        grid_ops: u32,
        /// The seed of the histories.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The checker on a grid of histories of other objects, each hard in a way of its own.
    Shapes {
        /// Leave out the rows of the grid with more operations than this.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(500..))]
        grid_ops: u32,
        /// Only shapes whose names contain this.
        #[arg(long, default_value = "", value_name = "NAME")]
        only: String,
        /// The seed of the histories.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A Parquet file of many operations, of which one key is wrong, judged within a limit of memory. Needs
    /// the feature parquet, and some 70 bytes of disk for each operation in the directory for temporary
    /// files.
    Columns {
        /// Operations in all.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000_000))]
        operations: u64,
        /// Keys.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        keys: u64,
        /// How much memory judging may take.
        #[arg(long, default_value = "2GiB", value_parser = parse_bytes, value_name = "SIZE")]
        memory_limit: usize,
        /// The seed of the histories.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// How soon ten planted bugs are found, beside the figures that were recorded last.
    Detection {
        /// How often each bug is looked for.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
        rounds: u32,
        /// A file to which the figures are written.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
    },
    /// Perjury's rate on etcd without faults, compared with a plain load generator's; needs etcd on the PATH.
    Overhead {
        /// Nodes of the cluster.
        #[arg(long, default_value_t = 3)]
        nodes: u16,
        /// Clients, spread over the nodes.
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// How long each side loads the cluster in each round.
        #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
        time: Duration,
    },
    /// Writes to the bundled cluster, compared with etcd's if `etcd` is on the PATH.
    Store {
        /// Nodes of each cluster.
        #[arg(long, default_value_t = 3)]
        nodes: u16,
        /// Connections, spread over the nodes.
        #[arg(long, default_value_t = 64)]
        connections: usize,
        /// How long each cluster is loaded.
        #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
        time: Duration,
    },
}

/// `perjury agent`
#[derive(Args, Debug)]
pub struct AgentArgs {
    /// The directory of the run.
    #[arg(long, value_name = "DIR")]
    pub directory: PathBuf,
    /// The name of the node.
    #[arg(long, value_name = "NAME")]
    pub node: String,
    /// This program.
    #[arg(long, value_name = "FILE")]
    pub own: PathBuf,
    /// The loader by which it is started.
    #[arg(long, value_name = "FILE")]
    pub loader: Option<PathBuf>,
    /// What the faults of the run need.
    #[arg(long, value_delimiter = ',')]
    pub needs: Vec<String>,
    /// Whether this is a container.
    #[arg(long)]
    pub container: bool,
}

/// `perjury tamper`
#[derive(Args, Debug)]
pub struct TamperArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: TamperWhat,
}

/// What `perjury tamper` does.
#[derive(Subcommand, Debug, Clone)]
pub enum TamperWhat {
    /// Shift the wall clock that a process sees, and print how it is shifted then.
    Clock {
        /// The process.
        #[arg(long)]
        pid: i32,
        /// How many nanoseconds it is to be ahead.
        #[arg(long, allow_hyphen_values = true)]
        offset_ns: i64,
        /// How many microseconds it is to gain per second.
        #[arg(long, allow_hyphen_values = true)]
        drift_ppm: i64,
    },
    /// Become a program whose fsync can be tampered with.
    Launch {
        /// The file that holds the mode.
        #[arg(long, value_name = "FILE")]
        control: PathBuf,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Damage files, or copy them; see `control/src/inside/file_damage.rs`.
    Damage {
        /// What to do, and where.
        #[arg(required = true)]
        what: Vec<String>,
    },
    /// Do something to the disk of a node, and print the state that results.
    Disk {
        /// The node's directory.
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
        /// What to do to it.
        #[arg(long, value_enum)]
        act: DiskAct,
        /// Decides what is left of what was not synced when the power was cut.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Set what fsync does in the programs that were launched with control files in a directory, and print
    /// the counts.
    Fsync {
        /// The directory.
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
        /// `honest`, `lie`, `fail`, or the milliseconds by which it is slow; as it is when not given.
        #[arg(long, value_parser = parse_fsync_mode)]
        mode: Option<FsyncMode>,
    },
}

/// What can be done to the disk of a node.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
pub enum DiskAct {
    /// Cut its power.
    CutPower,
    /// Mount it again after that; prints what survived.
    RestorePower,
    /// Fill it; prints whether there is room.
    Fill,
    /// Make room again; prints whether there is room.
    MakeRoom,
}

/// `perjury node`
#[derive(Args, Debug)]
pub struct NodeArgs {
    /// This node's number, from 1.
    #[arg(long)]
    pub id: u64,
    /// The directory in which it keeps its log, its term and its vote.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where it listens for its peers.
    #[arg(long, value_name = "ADDRESS")]
    pub raft: std::net::SocketAddr,
    /// Where it listens for clients (HTTP).
    #[arg(long, value_name = "ADDRESS")]
    pub http: std::net::SocketAddr,
    /// A member of the first configuration, as `ID=ADDRESS`, this node included; repeat for each.
    #[arg(long = "peer", value_parser = parse_peer, value_name = "ID=ADDRESS")]
    pub peers: Vec<(u64, std::net::SocketAddr)>,
    /// The name of the cluster; nodes of different clusters refuse each other.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub cluster: String,
    /// How often a leader sends heartbeats.
    #[arg(long, default_value = "50ms", value_parser = parse_duration, value_name = "TIME")]
    pub heartbeat: Duration,
    /// The shortest silence after which a follower stands for election; each draws up to twice as much.
    #[arg(long, default_value = "300ms", value_parser = parse_duration, value_name = "TIME")]
    pub election_timeout: Duration,
    /// After how many applied entries a snapshot takes the place of the log.
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub snapshot_every: u64,
    /// How many entries before a snapshot are kept for followers that lag a little.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub keep_entries: u64,
    /// At which size a segment of the log is sealed; only whole ones are deleted.
    #[arg(long, default_value = "16MiB", value_parser = parse_segment_bytes, value_name = "SIZE")]
    pub segment_bytes: u32,
    /// The bugs to plant, a list such as `stale-read,no-pre-vote` (see `perjury list`).
    #[arg(long, value_name = "LIST")]
    pub bug: Option<String>,
}

fn parse_segment_bytes(text: &str) -> Result<u32, String> {
    let bytes = parse_bytes(text)?;
    u32::try_from(bytes).map_err(|_| "it must be less than 4GiB".into())
}

fn parse_fsync_mode(text: &str) -> Result<FsyncMode, String> {
    match text {
        "honest" => Ok(FsyncMode::Honest),
        "lie" => Ok(FsyncMode::Lie),
        "fail" => Ok(FsyncMode::Fail),
        _ => match text.parse() {
            Ok(delay_ms) => Ok(FsyncMode::Slow { delay_ms }),
            Err(_) => Err("it should be honest, lie, fail, or milliseconds".into()),
        },
    }
}

fn parse_peer(text: &str) -> Result<(u64, std::net::SocketAddr), String> {
    let (id, address) = text.split_once('=').ok_or("write it like `1=10.0.0.1:7000`")?;
    let id = id.parse().map_err(|_| format!("`{id}` is not a node's number"))?;
    let address = address
        .parse()
        .map_err(|_| format!("`{address}` is not an address with a port"))?;
    Ok((id, address))
}
