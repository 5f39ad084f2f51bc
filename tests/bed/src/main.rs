// SPDX-License-Identifier: GPL-2.0-only
//! `xenbed`: the real-Xen test bed's command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use xenbed::bed::{Bed, CHECKOUT};
use xenbed::bench;
use xenbed::cache::Cache;
use xenbed::demo;
use xenbed::exec::{self, Order};
use xenbed::guest::{self, Driver, Guest};
use xenbed::machine::Purpose;
use xenbed::modules::{Modules, MODULES};
use xenbed::progress::Progress;
use xenbed::run::{self, Run};
use xenbed::session::Side;
use xenbed::shell;
use xenbed::show::Show;
use xenbed::soak;
use xenbed::suite;

/// The exit status when the bed itself fails, so that it is not taken for a script's.
const BED_FAILED: u8 = 125;

/// A real Xen, a real dom0 and a real HVM guest, emulated; and scripts run in them.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Build everything and make the snapshots.
    Up,
    /// Run a shell script in a fresh guest.
    Exec(ExecArguments),
    /// Open a shell in a fresh guest, or in its dom0.
    Shell {
        /// Where.
        #[arg(value_enum, default_value_t = Place::Guest)]
        place: Place,
        #[command(flatten)]
        guest: GuestArguments,
    },
    /// Show the modules at work: disk, network, memory, hotplug, unloading.
    Demo,
    /// Run the guest tests whose name contains a text.
    Test {
        /// The text.
        #[arg(default_value = "")]
        filter: String,
        /// How many guests run at a time.
        #[arg(long)]
        jobs: Option<usize>,
        /// How many rounds those make that are made of rounds: suspend-save, suspend-migrate and the like.
        #[arg(long)]
        rounds: Option<u32>,
    },
    /// For some minutes, let devices come and go, memory move, backends restart and modules reload in random order.
    Soak {
        /// How many minutes.
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// Decides the order; a random one if not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Have clippy read the modules, then run all guest tests. `make check` runs the host's tests before.
    Check,
    /// Measure the modules beside Linux's own frontends, in turns.
    Bench(BenchArguments),
    /// Show the logs of the last run that failed, or list all that are kept.
    Logs {
        /// List them.
        #[arg(long)]
        list: bool,
    },
    /// Remove what was built: snapshots and images, or with --all also the toolchain and the packages.
    Clean {
        /// Remove the toolchain and the packages too.
        #[arg(long)]
        all: bool,
    },
}

#[derive(clap::Args)]
struct GuestArguments {
    /// Virtual CPUs.
    #[arg(long, default_value_t = 1)]
    vcpus: u32,
    /// Memory in MiB.
    #[arg(long, default_value_t = 256)]
    memory: u32,
    /// Further kernel parameters.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    cmdline: String,
    /// Whose frontends drive the devices.
    #[arg(long, value_enum, default_value_t = Driver::Xenpv)]
    driver: Driver,
    /// Give it a disk (xvda) and an interface that are emulated as well.
    #[arg(long)]
    emulated: bool,
    /// Event channels that the guest may have, instead of xl's 1023.
    #[arg(long)]
    ports: Option<u32>,
    /// A further disk: xvdf[,size=64M][,backend=file|ram|null|spare][,sector=4096][,ro].
    #[arg(long)]
    disk: Vec<String>,
    /// A further network interface: mac=…,bridge=xenbr1,… as xl takes it.
    #[arg(long)]
    vif: Vec<String>,
    /// Put all modules (*.ko) of this directory into the guest, instead of building this checkout's.
    #[arg(long)]
    modules: Option<PathBuf>,
    /// The modules to insert, in this order, separated by commas; or "none".
    #[arg(long)]
    load: Option<String>,
}

#[derive(clap::Args)]
struct ExecArguments {
    /// The script ("-": standard input).
    script: PathBuf,
    #[command(flatten)]
    guest: GuestArguments,
    /// Put a file beside the script.
    #[arg(long)]
    put: Vec<PathBuf>,
    /// Where the script runs; in dom0 there is no guest then.
    #[arg(long = "in", value_enum, default_value_t = Place::Guest)]
    place: Place,
    /// A script to run in dom0 at the same time. `sync_send NAME` on one side lets `sync_wait NAME` on the other go on.
    #[arg(long, conflicts_with = "place")]
    dom0_script: Option<PathBuf>,
    /// Time-out in seconds.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

#[derive(clap::Args)]
struct BenchArguments {
    /// Once each instead of several times: in minutes, without knowing the spread.
    #[arg(long)]
    quick: bool,
    /// Only the workloads whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// How often each is run.
    #[arg(long)]
    repetitions: Option<u32>,
    /// Where the results go.
    #[arg(long)]
    to: Option<PathBuf>,
    /// A document whose generated part gets the results, too.
    #[arg(long)]
    document: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Guest,
    Dom0,
}

fn main() -> ExitCode {
    match run(Command::parse(), &Show::new()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xenbed: {error:#}");
            ExitCode::from(BED_FAILED)
        }
    }
}

fn run(command: Command, progress: &dyn Progress) -> Result<ExitCode> {
    match command {
        Command::Up => {
            let bed = Bed::open(Purpose::Test, progress)?;
            guest::snapshot(&bed, &Guest::default(), progress)?;
            built_modules(&bed, progress)?;
        }
        Command::Exec(arguments) => return exec(&arguments, progress),
        Command::Shell { place, guest } => return shell(place, &guest, progress),
        Command::Demo => {
            let bed = Bed::open(Purpose::Test, progress)?;
            let modules = built_modules(&bed, progress)?;
            return Ok(verdict(demo::run(&bed, &modules, progress)?));
        }
        Command::Test {
            filter,
            jobs,
            rounds,
        } => {
            // A mistake in a test is told before the long way there.
            suite::read(&suite::directory(Path::new(CHECKOUT)), &filter)?;
            return test(
                &Bed::open(Purpose::Test, progress)?,
                &filter,
                jobs,
                rounds,
                progress,
            );
        }
        Command::Soak { minutes, seed } => return soak(minutes, seed, progress),
        Command::Check => {
            let bed = Bed::open(Purpose::Test, progress)?;
            Modules::lint(bed.cache(), &bed.toolchain, Path::new(CHECKOUT), progress)?;
            return test(&bed, "", None, None, progress);
        }
        Command::Bench(arguments) => bench(&arguments, progress)?,
        Command::Logs { list } => logs(list)?,
        Command::Clean { all } => clean(all)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn bench(arguments: &BenchArguments, progress: &dyn Progress) -> Result<()> {
    let options = bench::Options {
        quick: arguments.quick,
        only: arguments.only.clone(),
        repetitions: arguments.repetitions,
    };
    let results = bench::run(&options, progress)?;
    let directory = arguments.to.clone().unwrap_or_else(bench::directory);
    bench_report::publish(&results, &directory)?;
    print!("{}", bench_report::table_of(&results));
    println!("results: {}", directory.display());
    if let Some(document) = &arguments.document {
        bench_report::update_document(document, &results)?;
    }
    Ok(())
}

fn verdict(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn test(
    bed: &Bed,
    filter: &str,
    jobs: Option<usize>,
    rounds: Option<u32>,
    progress: &dyn Progress,
) -> Result<ExitCode> {
    let directory = suite::directory(Path::new(CHECKOUT));
    let mut tests = suite::read(&directory, filter)?;
    if let Some(rounds) = rounds {
        tests.iter_mut().for_each(|test| test.set_rounds(rounds));
    }
    let modules = built_modules(bed, progress)?;
    let jobs = jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let failed = suite::run(bed, &directory, tests, &modules, jobs, progress)?;
    Ok(verdict(failed == 0))
}

fn soak(minutes: f64, seed: Option<u64>, progress: &dyn Progress) -> Result<ExitCode> {
    let options = soak::Options {
        length: Duration::try_from_secs_f64(minutes * 60.0).context("minutes must be a number")?,
        seed: seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.unwrap_or_default().as_secs()
        }),
    };
    let bed = Bed::open(Purpose::Test, progress)?;
    let modules = built_modules(&bed, progress)?;
    Ok(verdict(soak::run(&bed, &modules, &options, progress)?))
}

fn shell(place: Place, guest: &GuestArguments, progress: &dyn Progress) -> Result<ExitCode> {
    let bed = Bed::open(Purpose::Test, progress)?;
    let order = order(&bed, guest, Place::Guest, progress)?;
    let snapshot = guest::snapshot(&bed, &order.guest, progress)?;
    let run = Run::new(bed.cache(), "shell")?;
    let side = match place {
        Place::Guest => Side::Guest,
        Place::Dom0 => Side::Dom0,
    };
    let status = shell::run(&bed, &snapshot, &order, side, &run)?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(BED_FAILED)))
}

fn exec(arguments: &ExecArguments, progress: &dyn Progress) -> Result<ExitCode> {
    let bed = Bed::open(Purpose::Test, progress)?;
    let mut order = order(&bed, &arguments.guest, arguments.place, progress)?;
    order.script = read_script(&arguments.script)?;
    order.dom0_script = arguments
        .dom0_script
        .as_deref()
        .map(read_script)
        .transpose()?;
    order.files = arguments
        .put
        .iter()
        .map(|path| read_file(path))
        .collect::<Result<_>>()?;
    order.limit = Duration::from_secs(arguments.timeout);
    // The snapshot first: making one takes a run's place, too.
    let (outcome, run) = match arguments.place {
        Place::Guest => {
            let snapshot = guest::snapshot(&bed, &order.guest, progress)?;
            let run = Run::new(bed.cache(), &order.name)?;
            (
                exec::in_guest(&bed, &snapshot, &order, &run, &exec::print()),
                run,
            )
        }
        Place::Dom0 => {
            let snapshot = bed.dom0.snapshot(progress)?;
            let run = Run::new(bed.cache(), &order.name)?;
            (
                exec::in_dom0(&bed, &snapshot, &order, &run, &exec::print()),
                run,
            )
        }
    };
    let status = outcome
        .as_ref()
        .map(|outcome| outcome.status)
        .unwrap_or(u32::from(BED_FAILED));
    if status != 0 {
        show_consoles(run.path());
        eprintln!("logs: {}", run.keep_logs()?.display());
    }
    for complaint in &outcome?.complaints {
        eprintln!("the guest's kernel complained: {complaint}");
    }
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(BED_FAILED)))
}

/// An order for such a guest, with nothing to run yet.
fn order(
    bed: &Bed,
    guest: &GuestArguments,
    place: Place,
    progress: &dyn Progress,
) -> Result<Order> {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let (modules, all) = match (guest.driver, &guest.modules) {
        _ if place == Place::Dom0 => (None, Vec::new()),
        (Driver::Mainline, given) => (given.clone(), names(guest::MAINLINE_MODULES)),
        (Driver::Xenpv, Some(directory)) => (Some(directory.clone()), names(MODULES)),
        (Driver::Xenpv, None) => (Some(built_modules(bed, progress)?), names(MODULES)),
    };
    let load = match guest.load.as_deref() {
        Some("none") => Vec::new(),
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => all,
    };
    Ok(Order {
        name: "exec".to_owned(),
        guest: Guest {
            vcpus: guest.vcpus,
            memory: guest.memory,
            cmdline: guest.cmdline.clone(),
            driver: guest.driver,
            emulated: guest.emulated,
            ports: guest.ports,
        },
        script: String::new(),
        dom0_script: None,
        disks: guest.disk.clone(),
        vifs: guest.vif.clone(),
        files: Vec::new(),
        modules,
        load,
        ends: false,
        limit: Duration::ZERO,
    })
}

fn read_file(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path
        .file_name()
        .with_context(|| format!("{} is not a file", path.display()))?;
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok((name.to_string_lossy().into_owned(), content))
}

fn built_modules(bed: &Bed, progress: &dyn Progress) -> Result<PathBuf> {
    Ok(
        Modules::build(bed.cache(), &bed.toolchain, Path::new(CHECKOUT), progress)?
            .directory()
            .to_owned(),
    )
}

fn read_script(path: &Path) -> Result<String> {
    if path.as_os_str() == "-" {
        return Ok(std::io::read_to_string(std::io::stdin())?);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Shows what Xen, the guest's kernel and dom0 have said in a run.
fn show_consoles(logs: &Path) {
    for (name, title) in [
        (
            "console.log",
            "console of Xen and dom0, the guest's kernel as (d1)",
        ),
        ("dmesg.log", "kernel log of the guest"),
    ] {
        let text = fs::read_to_string(logs.join(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(60)..];
        eprintln!(
            "---- {title} (last {} of {} lines)\n{}",
            tail.len(),
            lines.len(),
            tail.join("\n")
        );
    }
}

fn logs(list: bool) -> Result<()> {
    let kept = run::kept_logs(&Cache::open()?)?;
    if list {
        kept.iter().for_each(|logs| println!("{}", logs.display()));
        return Ok(());
    }
    let last = kept
        .first()
        .context("no run has failed yet: there are no logs")?;
    for entry in fs::read_dir(last)? {
        let path = entry?.path();
        println!("==== {}", path.display());
        print!("{}", String::from_utf8_lossy(&fs::read(&path)?));
    }
    Ok(())
}

fn clean(all: bool) -> Result<()> {
    let cache = Cache::open()?;
    let made: &[&str] = &["snapshot", "guest", "dom0", "modules", "lint", "plugin"];
    let slow: &[&str] = if all {
        &["toolchain", "tree", "tools"]
    } else {
        &[]
    };
    for kind in made.iter().chain(slow) {
        cache.prune(kind, 0)?;
    }
    if all {
        for name in ["archive", "logs", "failed"] {
            xenbed::cache::remove_tree(&cache.scratch(name)?)?;
        }
    }
    Ok(())
}
