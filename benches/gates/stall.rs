//! How long somebody else waits while one message goes to very many. This is time by the clock, which other
//! programs of the machine lengthen; what the floor takes, which stops for nothing until all have the
//! message, stands beside it.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::clients::{Clients, FRAME_BYTES, Kind, PAYLOAD, write};
use super::report::{Measured, Report, Unit};
use crate::support::crowd::frame;
use crate::support::process::{Process, read_exact};

const NAME: &str = "echo while 15,000 get a message, 99th percentile";
const SUBSCRIBERS: usize = 15_000;
const MESSAGES: usize = 20;
/// Between two echoes, whenever the answer to the first comes.
const EVERY: Duration = Duration::from_millis(1);
/// Echoes without an answer: what the floor reads at once.
const UNDER_WAY_MAX: usize = 400;
/// Between two looks at what has come.
const NAP: Duration = Duration::from_micros(50);

pub fn run(report: &mut Report) {
    if !report.wants(&[NAME]) {
        return;
    }
    let [floor, encke] = [Process::floor as fn() -> Process, super::encke].map(|start| {
        let server = start();
        let mut crowd = Clients::gather(Kind::Deliver(1), report.many(SUBSCRIBERS), server.address);
        let mut echo = Clients::gather(Kind::Echo(1), 1, server.address).sockets.remove(0);
        server.settle();
        let mut waits = Vec::new();
        for _ in 0..report.times(MESSAGES) {
            waits.extend(deliver(&mut crowd.sockets, &mut echo));
            server.settle();
        }
        percentile_99(waits)
    });
    let beside = Unit::Ms.show(floor);
    report.add(NAME, &Measured { beside, ..Measured::alone(Unit::Ms, encke) });
}

/// Publishes, and echoes by the clock until the last subscriber has the message: milliseconds from when each
/// echo was due until it was back.
fn deliver(crowd: &mut [TcpStream], echo: &mut TcpStream) -> Vec<f64> {
    let message = frame(0x81, &PAYLOAD);
    let mut buffer = [0; 64 * FRAME_BYTES];
    let (mut waits, mut sent, mut echoed) = (Vec::new(), 0, 0);
    let mut is_delivered = false;
    let start = Instant::now();
    write(&mut crowd[0], &message);
    while !is_delivered || waits.len() < sent as usize {
        let under_way = sent as usize - waits.len();
        if !is_delivered && under_way < UNDER_WAY_MAX && start.elapsed() >= EVERY * sent {
            write(echo, &message);
            sent += 1;
        }
        echoed += look(echo, &mut buffer);
        while (waits.len() + 1) * FRAME_BYTES <= echoed {
            let due = start + EVERY * waits.len() as u32;
            waits.push(due.elapsed().as_secs_f64() * 1e3);
        }
        is_delivered = is_delivered || has_come(&crowd[crowd.len() - 1]);
        sleep(NAP);
    }
    crowd.iter_mut().for_each(|socket| read_exact(socket, &mut buffer[..FRAME_BYTES]));
    waits
}

/// Bytes that are there.
fn look(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    match socket.read(buffer) {
        Ok(0) => panic!("the server closed a connection"),
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}

fn has_come(socket: &TcpStream) -> bool {
    socket.peek(&mut [0]).is_ok()
}

fn percentile_99(mut waits: Vec<f64>) -> f64 {
    waits.sort_by(f64::total_cmp);
    waits[waits.len() * 99 / 100]
}
