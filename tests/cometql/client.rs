//! The client's side of the wire, written apart from the server's so that neither hides the other's
//! faults.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use encke::cometql::{Account, Context, Limits, Member, Session, StatusKind, Step, View};
use encke::engines::memory::{self, MemoryEngine};
use encke::engines::{Engine, Output, Token};
use encke::hub::clock::Now;
use encke::hub::command::{Command, Happened, Outcome};
use encke::hub::message::TenantId;
use encke::proto::mysql::handshake::{Nonce, native_proof};

pub const LIMITS: Limits =
    Limits { statement_bytes_max: 200_000, message_bytes_max: 100_000, rows_max: 50 };
pub const OPEN: &[Account<'static>] =
    &[Account { tenant: TenantId(0), dev_id: None, password: None }];
pub const LOCKED: &[Account<'static>] =
    &[Account { tenant: TenantId(0), dev_id: None, password: Some("secret") }];
pub const TWO_TENANTS: &[Account<'static>] = &[
    Account { tenant: TenantId(1), dev_id: Some(1), password: Some("one") },
    Account { tenant: TenantId(2), dev_id: Some(2), password: Some("two") },
];

/// When everything happens, if nobody lets time pass.
pub const NOW: u64 = 1_763_690_000;

/// What the server would know: who listens to which pipe.
#[derive(Default)]
pub struct Listeners(pub HashMap<(TenantId, String), Vec<Member>>);

impl View for Listeners {
    fn subscribers(&self, tenant: TenantId, pipe: &str) -> u64 {
        self.0.get(&(tenant, pipe.to_owned())).map_or(0, |members| members.len() as u64)
    }

    fn members(&self, tenant: TenantId, pipe: &str, most: usize) -> Vec<Member> {
        let members = self.0.get(&(tenant, pipe.to_owned()));
        members.into_iter().flatten().take(most).cloned().collect()
    }

    fn status(&self, tenant: TenantId, kind: StatusKind) -> Vec<(Cow<'static, str>, String)> {
        vec![("kind".into(), format!("{kind:?}")), ("id".into(), tenant.0.to_string())]
    }
}

/// An engine, and a server around it. Several clients may share one.
pub struct World {
    pub engine: MemoryEngine,
    pub listeners: Listeners,
    pub second: u64,
    /// Whether the server has memory for what stays.
    pub has_memory: bool,
    /// What has come out of the engine's feed.
    pub feed: Vec<Happened>,
    /// What clients are told instead of the engine's answer.
    pub outcome: Option<Outcome>,
}

impl World {
    pub fn new(limits: memory::Limits) -> Rc<RefCell<World>> {
        let now = Now { ms: 0, unix_second: NOW - 1, unix_nanos: 5 };
        Rc::new(RefCell::new(World {
            engine: MemoryEngine::new(3, limits, now),
            listeners: Listeners::default(),
            second: NOW,
            has_memory: true,
            feed: Vec::new(),
            outcome: None,
        }))
    }

    /// Runs commands in order; the last one is answered.
    pub fn run(&mut self, commands: Vec<Command>) -> Outcome {
        let now = Now { ms: 0, unix_second: self.second, unix_nanos: 0 };
        let last = commands.len() - 1;
        let mut answer = None;
        for (at, command) in commands.into_iter().enumerate() {
            let token = (at == last).then_some(Token { slot: 0, generation: 0, number: 0 });
            self.engine.submit(token, command, now);
            while let Some(output) = self.engine.take() {
                match output {
                    Output::Completed(_, outcome) => answer = Some(outcome),
                    Output::Happened(happened) => self.feed.push(happened),
                }
            }
        }
        answer.expect("an answer to the last command")
    }
}

/// What a server may answer to a command.
#[derive(Debug, PartialEq, Eq, Clone)]
pub enum Reply {
    Ok {
        affected: u64,
        id: u64,
    },
    Error {
        number: u16,
        state: String,
        text: String,
    },
    Eof,
    /// Definitions alone, as COM_FIELD_LIST has them.
    Fields(Vec<String>),
    Rows {
        columns: Vec<String>,
        rows: Vec<Vec<Option<String>>>,
    },
    Other(Vec<u8>),
}

impl Reply {
    /// Number, SQLSTATE and text of an error.
    pub fn error(&self) -> (u16, &str, &str) {
        match self {
            Reply::Error { number, state, text } => (*number, state, text),
            other => panic!("not an error: {other:?}"),
        }
    }

    /// Every value of a result set; NULL as the text NULL.
    pub fn values(&self) -> Vec<Vec<String>> {
        match self {
            Reply::Rows { rows, .. } => {
                let text = |value: &Option<String>| value.clone().unwrap_or("NULL".into());
                rows.iter().map(|row| row.iter().map(text).collect()).collect()
            }
            other => panic!("not a result set: {other:?}"),
        }
    }

    pub fn columns(&self) -> Vec<String> {
        match self {
            Reply::Rows { columns, .. } => columns.clone(),
            other => panic!("not a result set: {other:?}"),
        }
    }
}

/// A session with everything around it.
pub struct Client {
    pub session: Session,
    pub accounts: &'static [Account<'static>],
    pub limits: Limits,
    pub world: Rc<RefCell<World>>,
    /// What the session asked of the engine.
    pub asked: Vec<Command>,
    /// What it has written, not taken yet.
    pub out: Vec<u8>,
    pub closed: bool,
    /// The status word that came last, with an OK or EOF.
    pub status: u16,
    random: u8,
    unfinished: Vec<u8>,
}

fn context<'a>(
    accounts: &'static [Account<'static>],
    limits: &'a Limits,
    random: &'a mut dyn FnMut(&mut [u8]),
    world: &'a World,
) -> Context<'a> {
    Context {
        accounts,
        limits,
        offers_tls: false,
        may_keep: world.has_memory,
        random,
        unix_second: world.second,
        uptime_seconds: 60,
        view: &world.listeners,
    }
}

impl Client {
    /// Connected, greeting in `out`.
    pub fn connect(accounts: &'static [Account<'static>]) -> Client {
        Client::connect_to(World::new(memory::Limits::default()), accounts)
    }

    /// The same, to a world where others may be.
    pub fn connect_to(world: Rc<RefCell<World>>, accounts: &'static [Account<'static>]) -> Client {
        let (mut out, mut counter) = (Vec::new(), 0);
        let session = {
            let (mut random, world) = (counting(&mut counter), world.borrow());
            Session::start(7, &mut context(accounts, &LIMITS, &mut random, &world), &mut out)
        };
        Client {
            session,
            accounts,
            limits: LIMITS,
            world,
            asked: Vec::new(),
            out,
            closed: false,
            status: 0,
            random: counter,
            unfinished: Vec::new(),
        }
    }

    /// Logged in as anybody.
    pub fn open() -> Client {
        Client::open_in(World::new(memory::Limits::default()))
    }

    /// Logged in with a password.
    pub fn log_in(
        world: Rc<RefCell<World>>,
        accounts: &'static [Account<'static>],
        (user, password, database): (&str, &str, Option<&str>),
    ) -> Client {
        let mut client = Client::connect_to(world, accounts);
        let nonce = greeting_nonce(&client.packets().remove(0).1);
        let nonce = Nonce::from_random(nonce.try_into().expect("20 bytes"));
        let proof = native_proof(password.as_bytes(), &nonce);
        client.send(&packet(1, &response(user, &proof, database, None)));
        assert!(client.session.is_authenticated());
        client.out.clear();
        client
    }

    /// The same, in a world where others may be.
    pub fn open_in(world: Rc<RefCell<World>>) -> Client {
        let mut client = Client::connect_to(world, OPEN);
        client.send(&packet(1, &response("root", b"", None, None)));
        assert!(client.session.is_authenticated());
        client.out.clear();
        client
    }

    /// Gives the session bytes as a server would: it keeps what was not used, and completes what
    /// was asked.
    pub fn send(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        loop {
            let mut random = counting(&mut self.random);
            let mut world = self.world.borrow_mut();
            let mut context = context(self.accounts, &self.limits, &mut random, &world);
            let (used, step) = if self.session.is_resting() {
                (0, self.session.go_on(&context, &mut self.out))
            } else {
                self.session.feed(&self.unfinished, &mut context, &mut self.out)
            };
            self.unfinished.drain(..used);
            match step {
                Step::More => return,
                Step::Replied | Step::GoOn => {}
                Step::StartTls => panic!("TLS was not offered"),
                Step::Ask(commands) => {
                    self.asked.extend(commands.iter().cloned());
                    let outcome = world.outcome.clone().unwrap_or_else(|| world.run(commands));
                    self.session.complete(outcome, &world.listeners, &mut self.out);
                }
                Step::Close => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    /// Sends one command and reads its answer, whose numbers must begin with 1.
    pub fn command(&mut self, payload: &[u8]) -> Reply {
        self.send(&packet(0, payload));
        self.reply(1)
    }

    pub fn query(&mut self, sql: &str) -> Reply {
        self.command(&[b"\x03", sql.as_bytes()].concat())
    }

    /// The one message that an INSERT published.
    pub fn message(&mut self, sql: &str) -> String {
        self.asked.clear();
        assert_eq!(self.query(sql), Reply::Ok { affected: 0, id: 0 }, "{sql}");
        match &self.asked[..] {
            [Command::Publish { messages, .. }] if messages.len() == 1 => {
                messages[0].data.as_text().expect("text").to_string()
            }
            other => panic!("{sql}: {other:?}"),
        }
    }

    /// Takes all packets that were written.
    pub fn packets(&mut self) -> Vec<(u8, Vec<u8>)> {
        let out = std::mem::take(&mut self.out);
        packets(&out)
    }

    /// Prepares a statement: its number, how many parameters, the titles of its columns.
    pub fn prepare(&mut self, sql: &str) -> Result<(u32, u16, Vec<String>), Reply> {
        self.send(&packet(0, &[b"\x16", sql.as_bytes()].concat()));
        let packets = self.packets();
        let payloads: Vec<&[u8]> = packets.iter().map(|(_, payload)| &payload[..]).collect();
        let [0, a, b, c, d, columns, 0, low, high, 0, 0, 0] = *payloads[0] else {
            return Err(read_reply(&payloads));
        };
        for (at, (sequence, _)) in packets.iter().enumerate() {
            assert_eq!(usize::from(*sequence), (1 + at) % 256, "{packets:?}");
        }
        let (parameters, mut rest) = (u16::from_le_bytes([low, high]), &payloads[1..]);
        let mut titles = Vec::new();
        for count in [usize::from(parameters), usize::from(columns)] {
            titles = rest[..count].iter().map(|field| field_name(field)).collect();
            rest = &rest[count..];
            if count > 0 {
                assert_eq!((rest[0][0], rest[0].len()), (0xfe, 5));
                rest = &rest[1..];
            }
        }
        assert!(rest.is_empty(), "{rest:?}");
        Ok((u32::from_le_bytes([a, b, c, d]), parameters, titles))
    }

    /// Executes it with texts, as mysqlnd does; `None` is NULL.
    pub fn execute(&mut self, statement: u32, values: &[Option<&str>]) -> Reply {
        self.execute_raw(&execution(statement, values))
    }

    /// Any payload of a COM_STMT_EXECUTE.
    pub fn execute_raw(&mut self, payload: &[u8]) -> Reply {
        self.send(&packet(0, payload));
        let packets = self.packets();
        for (at, (sequence, _)) in packets.iter().enumerate() {
            assert_eq!(usize::from(*sequence), (1 + at) % 256, "{packets:?}");
        }
        let payloads: Vec<&[u8]> = packets.iter().map(|(_, payload)| &payload[..]).collect();
        match payloads[..] {
            [[0 | 0xff, ..]] => read_reply(&payloads),
            [[count], ref rest @ ..] => {
                let (columns, rest) = rest.split_at(usize::from(*count));
                let [[0xfe, ..], rows @ .., [0xfe, ..]] = rest else { panic!("{rest:x?}") };
                Reply::Rows {
                    columns: columns.iter().map(|field| field_name(field)).collect(),
                    rows: rows.iter().map(|row| read_binary(row, columns.len())).collect(),
                }
            }
            _ => panic!("not one answer: {payloads:x?}"),
        }
    }

    /// Takes everything that was written as so many answers, numbered through.
    pub fn replies(&mut self) -> Vec<(Reply, u16)> {
        let packets = self.packets();
        let (mut replies, mut begun, mut eofs) = (Vec::new(), Vec::new(), 0);
        for (at, (sequence, payload)) in packets.iter().enumerate() {
            assert_eq!(usize::from(*sequence), (1 + at) % 256, "{packets:?}");
            let is_first = begun.is_empty();
            begun.push(&payload[..]);
            eofs += usize::from(payload[0] == 0xfe && payload.len() == 5);
            if is_first && matches!(payload[0], 0 | 0xff) || eofs == 2 {
                let status = match payload[0] {
                    0xff => 0,
                    _ => u16::from_le_bytes([payload[3], payload[4]]),
                };
                replies.push((read_reply(&begun), status));
                (begun, eofs) = (Vec::new(), 0);
            }
        }
        assert!(begun.is_empty(), "an answer without its end: {begun:x?}");
        replies
    }

    /// Takes everything that was written as one answer.
    pub fn reply(&mut self, first_sequence: u8) -> Reply {
        let packets = self.packets();
        for (at, (sequence, _)) in packets.iter().enumerate() {
            assert_eq!(*sequence, first_sequence.wrapping_add(at as u8), "{packets:?}");
        }
        let payloads: Vec<&[u8]> = packets.iter().map(|(_, payload)| &payload[..]).collect();
        if let Some([0 | 0xfe, _, _, low, high, ..]) = payloads.last() {
            self.status = u16::from_le_bytes([*low, *high]);
        }
        read_reply(&payloads)
    }
}

/// 0, 1, 2 … so that every nonce differs and has the bytes that it must not pass on.
fn counting(counter: &mut u8) -> impl FnMut(&mut [u8]) + '_ {
    move |bytes| {
        for byte in bytes {
            *byte = *counter;
            *counter = counter.wrapping_add(1);
        }
    }
}

/// COM_STMT_EXECUTE with texts.
pub fn execution(statement: u32, values: &[Option<&str>]) -> Vec<u8> {
    let mut payload = [&[0x17][..], &statement.to_le_bytes(), &[0, 1, 0, 0, 0]].concat();
    if values.is_empty() {
        return payload;
    }
    let mut bitmap = vec![0; values.len().div_ceil(8)];
    for (at, value) in values.iter().enumerate() {
        bitmap[at / 8] |= u8::from(value.is_none()) << (at % 8);
    }
    payload.extend(bitmap);
    payload.push(1);
    payload.extend([0xfd, 0].repeat(values.len()));
    for text in values.iter().flatten() {
        let length = (text.len() as u32).to_le_bytes();
        payload.extend([0xfd, length[0], length[1], length[2]]);
        payload.extend(text.as_bytes());
    }
    payload
}

pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

pub fn packets(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let length =
            usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16;
        all.push((bytes[3], bytes[4..4 + length].to_vec()));
        bytes = &bytes[4 + length..];
    }
    all
}

/// A handshake response as mysqlnd writes it.
pub fn response(user: &str, proof: &[u8], database: Option<&str>, plugin: Option<&str>) -> Vec<u8> {
    let mut flags = 0x0012_a285_u32;
    flags |= if database.is_some() { 8 } else { 0 };
    flags |= if plugin.is_some() { 0x0008_0000 } else { 0 };
    let mut payload = flags.to_le_bytes().to_vec();
    payload.extend([0, 0, 0, 0xc0, 45]);
    payload.extend([0; 23]);
    payload.extend(user.as_bytes());
    payload.extend([0, proof.len() as u8]);
    payload.extend(proof);
    for text in [database, plugin].into_iter().flatten() {
        payload.extend(text.as_bytes());
        payload.push(0);
    }
    payload
}

/// The nonce of a greeting's payload.
pub fn greeting_nonce(payload: &[u8]) -> Vec<u8> {
    let version_end = payload.iter().position(|&byte| byte == 0).expect("a version");
    let first = version_end + 1 + 4;
    let second = first + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
    [&payload[first..first + 8], &payload[second..second + 12]].concat()
}

fn read_reply(payloads: &[&[u8]]) -> Reply {
    match payloads {
        [[0, numbers @ .., _, 0, 0, 0]] => {
            let (affected, rest) = read_number(numbers);
            let (id, rest) = read_number(rest);
            assert!(rest.is_empty());
            Reply::Ok { affected, id }
        }
        [[0xff, low, high, b'#', rest @ ..]] => Reply::Error {
            number: u16::from_le_bytes([*low, *high]),
            state: String::from_utf8(rest[..5].to_vec()).unwrap(),
            text: String::from_utf8(rest[5..].to_vec()).unwrap(),
        },
        [[0xfe, 0, 0, _, 0]] => Reply::Eof,
        [[3, b'd', b'e', b'f', ..], .., [0xfe, 0, 0, _, 0]] => {
            let fields = payloads[..payloads.len() - 1].iter();
            Reply::Fields(fields.map(|field| field_name(field)).collect())
        }
        [[count], rest @ ..] if rest.len() >= usize::from(*count) + 2 => {
            read_rows(usize::from(*count), rest)
        }
        [[0xfc, low, high], rest @ ..] => {
            read_rows(usize::from(*low) | usize::from(*high) << 8, rest)
        }
        [one] => Reply::Other(one.to_vec()),
        other => panic!("not one answer: {other:x?}"),
    }
}

/// A length-encoded integer, and what is behind it.
fn read_number(bytes: &[u8]) -> (u64, &[u8]) {
    let (skip, width) = match bytes[0] {
        0xfc => (1, 2),
        0xfd => (1, 3),
        0xfe => (1, 8),
        _ => (0, 1),
    };
    let digits = bytes[skip..skip + width].iter().rev();
    (digits.fold(0, |sum, digit| sum << 8 | u64::from(*digit)), &bytes[skip + width..])
}

fn read_rows(count: usize, payloads: &[&[u8]]) -> Reply {
    let (columns, rest) = payloads.split_at(count);
    let ([[0xfe, 0, 0, _, 0], rows @ .., [0xfe, 0, 0, _, 0]], _) = (rest, ()) else {
        panic!("rows without their two EOFs: {rest:x?}");
    };
    Reply::Rows {
        columns: columns.iter().map(|field| field_name(field)).collect(),
        rows: rows.iter().map(|row| read_texts(row, count)).collect(),
    }
}

fn field_name(definition: &[u8]) -> String {
    let parts = read_texts(definition, 6);
    assert_eq!(parts[0].as_deref(), Some("def"));
    parts[4].clone().expect("a name")
}

/// A row of VAR_STRINGs after COM_STMT_EXECUTE.
fn read_binary(row: &[u8], count: usize) -> Vec<Option<String>> {
    assert_eq!(row[0], 0);
    let (bitmap, mut values) = row[1..].split_at((count + 9) / 8);
    let mut texts = Vec::new();
    for bit in 2..count + 2 {
        if bitmap[bit / 8] >> (bit % 8) & 1 == 1 {
            texts.push(None);
            continue;
        }
        let text = read_texts(values, 1).remove(0).expect("NULL has a bit");
        let skipped = match values[0] {
            0xfc => 3,
            0xfd => 4,
            _ => 1,
        };
        values = &values[skipped + text.len()..];
        texts.push(Some(text));
    }
    assert!(values.is_empty());
    texts
}

fn read_texts(mut bytes: &[u8], count: usize) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    for _ in 0..count {
        let (skip, length) = match bytes[0] {
            0xfb => {
                texts.push(None);
                bytes = &bytes[1..];
                continue;
            }
            0xfc => (3, usize::from(bytes[1]) | usize::from(bytes[2]) << 8),
            0xfd => (
                4,
                usize::from(bytes[1]) | usize::from(bytes[2]) << 8 | usize::from(bytes[3]) << 16,
            ),
            short => (1, usize::from(short)),
        };
        texts.push(Some(String::from_utf8(bytes[skip..skip + length].to_vec()).unwrap()));
        bytes = &bytes[skip + length..];
    }
    texts
}
