// SPDX-License-Identifier: GPL-2.0-only
//! A conversation with one machine: jobs in dom0 and in the guest, their output, rendezvous marks and consoles.
//!
//! Two threads read QEMU's sockets and post events; everything else happens in the caller's thread, inside
//! [`Session::wait`].

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use crate::machine::Machine;
use crate::wire::{self, Decoder, Frame, Kind};

/// First frame number of the memory the guest shares with dom0: at 160 MiB, past what a bzImage unpacks into.
pub const LINK_GFN: u64 = 0xa000;
/// Its number of pages; also in `agent/shared.c`.
pub const LINK_PAGES: u32 = 512;

/// What Xen's console says when a guest has crashed: by its kernel, or by Xen.
const DEATHS: &[&str] = &["Kernel panic - not syncing", "domain_crash", ") crashed"];
/// How long a crashed guest may go on printing.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// One of the two systems a script can run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The privileged domain.
    Dom0,
    /// The guest under test.
    Guest,
}

/// A started job.
pub type Job = (Side, u32);

/// Takes output as it comes.
pub type Taker = Box<dyn FnMut(&[u8]) + Send>;

/// What becomes of a job's output.
pub enum Sink {
    /// Kept for [`Session::output`].
    Keep,
    /// Handed on as it comes.
    Live(Taker),
}

enum Event {
    Frame(Side, Frame),
    Console(Vec<u8>),
    Input(Job, Vec<u8>),
    Ended,
}

struct State {
    sink: Sink,
    kept: Vec<u8>,
    status: Option<u32>,
}

/// How long nothing is heard before dom0 is asked for an answer.
const SILENCE: Duration = Duration::from_secs(2);

/// See the module's description.
pub struct Session {
    machine: Machine,
    writer: UnixStream,
    events: Receiver<Event>,
    sender: Sender<Event>,
    jobs: HashMap<Job, State>,
    next_job: u32,
    console: Console,
    hello: [bool; 2],
    pongs: [u32; 2],
    /// See [`Session::keep_awake`].
    kept_awake: bool,
    begun: Instant,
}

/// The deadline of something that has not happened.
#[derive(Debug)]
pub struct TimedOut(pub String);

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "time-out: {}", self.0)
    }
}

impl std::error::Error for TimedOut {}

impl Session {
    /// Starts the conversation. Console output is written to `console.log` in the machine's directory.
    pub fn new(machine: Machine) -> Result<Self> {
        let (sender, events) = mpsc::channel();
        let (agent, console) = (machine.agent.try_clone()?, machine.console.try_clone()?);
        let copy = sender.clone();
        thread::spawn(move || read_agent(agent, &copy));
        let copy_too = sender.clone();
        thread::spawn(move || read_console(console, &copy_too));
        let log = Console::new(&machine.directory().join("console.log"))?;
        Ok(Session {
            writer: machine.agent.try_clone()?,
            machine,
            events,
            sender,
            jobs: HashMap::new(),
            next_job: 1,
            console: log,
            hello: [false; 2],
            pongs: [0; 2],
            kept_awake: false,
            begun: Instant::now(),
        })
    }

    /// The machine.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Waits for the agent of a system that is starting.
    pub fn wait_hello(&mut self, side: Side, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.hello[side as usize] {
            self.pump(deadline, "the agent has not started")?;
        }
        Ok(())
    }

    /// Waits until an agent that is running answers.
    pub fn wait_answer(&mut self, side: Side, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let wanted = self.pongs[side as usize] + 1;
        self.send(side, Kind::Ping, 0, &[])?;
        while self.pongs[side as usize] < wanted {
            self.pump(deadline, "the agent does not answer")?;
        }
        Ok(())
    }

    /// Makes dom0 map the guest's shared memory, so that the guest can be talked to.
    pub fn attach(&mut self, domid: u32) -> Result<()> {
        let mut data = domid.to_le_bytes().to_vec();
        data.extend_from_slice(&LINK_GFN.to_le_bytes());
        self.send(Side::Dom0, Kind::Attach, 0, &data)
    }

    /// Writes a file.
    pub fn put(&mut self, side: Side, path: &str, content: &[u8], executable: bool) -> Result<()> {
        self.send_bytes(side, &wire::encode_put(path, content, executable))
    }

    /// Starts a shell command.
    pub fn start(&mut self, side: Side, command: &str, sink: Sink, on_pty: bool) -> Result<Job> {
        let id = self.next_job;
        self.next_job += 1;
        let mut data = vec![u8::from(on_pty)];
        data.extend_from_slice(command.as_bytes());
        self.send(side, Kind::Run, id, &data)?;
        self.jobs.insert(
            (side, id),
            State {
                sink,
                kept: Vec::new(),
                status: None,
            },
        );
        Ok((side, id))
    }

    /// Hands on to a job, from now on, all that `read` reads, while the caller is in [`Session::wait`].
    pub fn feed(
        &self,
        job: Job,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize> + Send + 'static,
    ) {
        let events = self.sender.clone();
        thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = read(&mut bytes) {
                if events
                    .send(Event::Input(job, bytes[..length].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
        });
    }

    /// From now on, dom0 is asked for an answer whenever nothing was heard for a while. QEMU's emulation of a nested guest
    /// sometimes leaves the machine's timer interrupt pending until another device interrupts: neither Xen, nor dom0, nor
    /// the guest has a timer tick until then, for good if nothing happens outside. Not for a machine whose instructions
    /// are counted.
    pub fn keep_awake(&mut self) {
        self.kept_awake = true;
    }

    /// Waits for a job's end and returns its exit status. A crash of the guest ends the waiting for its jobs.
    pub fn wait(&mut self, job: Job, limit: Duration) -> Result<u32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.jobs.get(&job).and_then(|state| state.status) {
                return Ok(status);
            }
            if job.0 == Side::Guest {
                self.check_guest()?;
            }
            self.pump(deadline, "the script has not ended")?;
        }
    }

    /// The line on Xen's console that told of the guest's end, if there was one.
    pub fn guest_death(&self) -> Option<&str> {
        self.console.death.as_deref()
    }

    /// Fails if the guest has crashed, once the rest of its last words has come.
    fn check_guest(&mut self) -> Result<()> {
        let Some(death) = self.console.death.clone() else {
            return Ok(());
        };
        let deadline = Instant::now() + LAST_WORDS;
        while self.pump(deadline, "").is_ok() {}
        bail!("the guest has crashed: {death}")
    }

    /// What an ended job with [`Sink::Keep`] has printed.
    pub fn output(&mut self, job: Job) -> String {
        let state = self.jobs.remove(&job);
        state
            .map(|state| String::from_utf8_lossy(&state.kept).into_owned())
            .unwrap_or_default()
    }

    /// Runs a shell command to its end; returns its exit status and its output.
    pub fn run(&mut self, side: Side, command: &str, limit: Duration) -> Result<(u32, String)> {
        let job = self.start(side, command, Sink::Keep, false)?;
        let status = self
            .wait(job, limit)
            .with_context(|| format!("while running: {command}"))?;
        Ok((status, self.output(job)))
    }

    /// Runs a shell command that must succeed; returns its output.
    pub fn run_ok(&mut self, side: Side, command: &str, limit: Duration) -> Result<String> {
        let (status, output) = self.run(side, command, limit)?;
        if status != 0 {
            bail!("{command}\nended with status {status} and said:\n{output}");
        }
        Ok(output)
    }

    /// Waits until `deadline` for an event and handles it.
    pub fn pump(&mut self, deadline: Instant, what: &str) -> Result<()> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let (wait, is_over) = match self.kept_awake && wait > SILENCE {
            true => (SILENCE, false),
            false => (wait, true),
        };
        match self.events.recv_timeout(wait) {
            Ok(event) => self.handle(event),
            Err(RecvTimeoutError::Timeout) if is_over => Err(TimedOut(what.to_owned()).into()),
            Err(RecvTimeoutError::Timeout) => self.send(Side::Dom0, Kind::Ping, 0, &[]),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("QEMU has ended: {}", self.machine.log().trim())
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Console(bytes) => self.console.write(&bytes, self.begun.elapsed()),
            Event::Input(job, bytes) => self.send(job.0, Kind::Stdin, job.1, &bytes),
            Event::Ended => bail!("QEMU has ended: {}", self.machine.log().trim()),
            Event::Frame(side, frame) => self.handle_frame(side, frame),
        }
    }

    fn handle_frame(&mut self, side: Side, frame: Frame) -> Result<()> {
        let text = || String::from_utf8_lossy(&frame.data).into_owned();
        match frame.kind {
            Kind::Hello => self.hello[side as usize] = true,
            Kind::Pong => self.pongs[side as usize] += 1,
            Kind::Sent => {
                let other = if side == Side::Guest {
                    Side::Dom0
                } else {
                    Side::Guest
                };
                self.send(other, Kind::Mark, 0, &frame.data)?;
            }
            Kind::Error => bail!("the agent in {side:?} says: {}", text()),
            Kind::Output => {
                if let Some(state) = self.jobs.get_mut(&(side, frame.job)) {
                    match &mut state.sink {
                        Sink::Keep => state.kept.extend_from_slice(&frame.data),
                        Sink::Live(show) => show(&frame.data),
                    }
                }
            }
            Kind::Exit => {
                let status = frame.data.try_into().map(u32::from_le_bytes).unwrap_or(255);
                if let Some(state) = self.jobs.get_mut(&(side, frame.job)) {
                    state.status = Some(status);
                }
            }
            other => bail!("the agent in {side:?} sent an unexpected {other:?}"),
        }
        Ok(())
    }

    fn send(&mut self, side: Side, kind: Kind, job: u32, data: &[u8]) -> Result<()> {
        self.send_bytes(side, &wire::encode(kind, job, data))
    }

    fn send_bytes(&mut self, side: Side, bytes: &[u8]) -> Result<()> {
        match side {
            Side::Dom0 => self.writer.write_all(bytes)?,
            Side::Guest => {
                for part in bytes.chunks(32768) {
                    self.writer.write_all(&wire::encode(Kind::Guest, 0, part))?;
                }
            }
        }
        Ok(())
    }
}

/// Xen's console as it is shown and kept: one line at a time, with the time it came.
struct Console {
    log: File,
    line: Vec<u8>,
    death: Option<String>,
}

impl Console {
    fn new(path: &Path) -> Result<Self> {
        Ok(Console {
            log: File::create(path)?,
            line: Vec::new(),
            death: None,
        })
    }

    fn write(&mut self, bytes: &[u8], at: Duration) -> Result<()> {
        for byte in bytes {
            match byte {
                b'\r' => {}
                b'\n' => {
                    let line = String::from_utf8_lossy(&self.line);
                    writeln!(self.log, "{:9.2} {line}", at.as_secs_f64())?;
                    if self.death.is_none() && DEATHS.iter().any(|sign| line.contains(sign)) {
                        self.death = Some(line.into_owned());
                    }
                    self.line.clear();
                }
                byte => self.line.push(*byte),
            }
        }
        Ok(())
    }
}

fn read_agent(mut stream: UnixStream, events: &Sender<Event>) {
    let (mut dom0, mut guest) = (Decoder::default(), Decoder::default());
    let mut bytes = vec![0; 65536];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        dom0.feed(&bytes[..length]);
        while let Some(frame) = dom0.next_frame() {
            if frame.kind != Kind::Guest {
                if events.send(Event::Frame(Side::Dom0, frame)).is_err() {
                    return;
                }
                continue;
            }
            guest.feed(&frame.data);
            while let Some(frame) = guest.next_frame() {
                if events.send(Event::Frame(Side::Guest, frame)).is_err() {
                    return;
                }
            }
        }
    }
    // Nobody may be listening any more.
    let _ = events.send(Event::Ended);
}

fn read_console(mut stream: UnixStream, events: &Sender<Event>) {
    let mut bytes = vec![0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if events
            .send(Event::Console(bytes[..length].to_vec()))
            .is_err()
        {
            return;
        }
    }
}
