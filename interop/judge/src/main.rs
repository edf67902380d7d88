//! `waybill-judge`: what the published Rust implementation of Warg 0.10 says.
//!
//! ```text
//! waybill-judge --corpus FILE              one verdict line per log of a corpus file
//! waybill-judge package|operator FILE...   one verdict line per file, timings on stderr
//! waybill-judge text                       stdin: kind TAB hex of the text
//! waybill-judge proto                      stdin: kind TAB hex of the message
//! ```
//!
//! A corpus is a sequence of logs: u8 kind (0 package, 1 operator), u32 LE number of
//! records, then the records. A FILE of the second form is only the records. A record is
//! u32 LE length followed by a protobuf `warg.protocol.Envelope`.
//!
//! Each record is decoded and then validated before the next one is looked at, so the
//! index reported is that of the first record refused for whatever reason.

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use prost::Message;
use warg_crypto::hash::AnyHash;
use warg_crypto::signing::{PrivateKey, PublicKey, Signature};
use warg_crypto::Decode;
use warg_protocol::operator::{self, OperatorRecord};
use warg_protocol::package::{self, PackageRecord};
use warg_protocol::registry::PackageName;
use warg_protocol::{ProtoEnvelope, Validator, Version};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: waybill-judge --corpus FILE
       waybill-judge package|operator FILE...
       waybill-judge text  < lines
       waybill-judge proto < lines";

fn main() -> ExitCode {
    // A panic of the library is a verdict, not a crash of ours.
    panic::set_hook(Box::new(|_| {}));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waybill-judge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match arguments.as_slice() {
        ["--corpus", file] => judge_corpus(&std::fs::read(file)?, &mut out)?,
        [kind @ ("package" | "operator"), files @ ..] if !files.is_empty() => {
            let kind = if *kind == "package" {
                Kind::Package
            } else {
                Kind::Operator
            };
            for file in files {
                judge_file(kind, file, &mut out)?;
            }
        }
        ["text"] => judge_lines(&mut out, judge_text)?,
        ["proto"] => judge_lines(&mut out, judge_proto)?,
        _ => return Err(USAGE.into()),
    }
    out.flush()?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Package,
    Operator,
}

// ---- logs ----

fn judge_corpus(bytes: &[u8], out: &mut impl Write) -> Result<(), Failure> {
    let mut reader = Reader { bytes };
    while !reader.is_empty() {
        let kind = match reader.take(1)?[0] {
            0 => Kind::Package,
            1 => Kind::Operator,
            other => return Err(format!("unknown kind of log: {other}").into()),
        };
        let count = reader.u32()?;
        let records = (0..count)
            .map(|_| reader.record())
            .collect::<Result<Vec<_>, _>>()?;
        writeln!(out, "{}", judge_log(kind, &records).verdict)?;
    }
    Ok(())
}

fn judge_file(kind: Kind, file: &str, out: &mut impl Write) -> Result<(), Failure> {
    let bytes = std::fs::read(file)?;
    let mut reader = Reader { bytes: &bytes };
    let mut records = Vec::new();
    while !reader.is_empty() {
        records.push(reader.record()?);
    }
    let replay = judge_log(kind, &records);
    writeln!(out, "{}", replay.verdict)?;
    eprintln!(
        "{file}: {} records, decode {:.6} s, validate {:.6} s",
        records.len(),
        replay.decoding.as_secs_f64(),
        replay.validating.as_secs_f64(),
    );
    Ok(())
}

struct Replay {
    verdict: String,
    decoding: Duration,
    validating: Duration,
}

fn judge_log(kind: Kind, records: &[&[u8]]) -> Replay {
    match kind {
        Kind::Package => replay::<package::LogState>(records),
        Kind::Operator => replay::<operator::LogState>(records),
    }
}

/// Replays a log from the empty state, as the client does after a fetch.
fn replay<State: Judged>(records: &[&[u8]]) -> Replay {
    let mut decoding = Duration::ZERO;
    let mut validating = Duration::ZERO;
    let mut state = State::default();
    let mut refusal = None;

    for (index, bytes) in records.iter().enumerate() {
        let started = Instant::now();
        let decoded = quietly(|| ProtoEnvelope::<State::Record>::from_protobuf(bytes));
        decoding += started.elapsed();

        let started = Instant::now();
        let step = match decoded {
            Some(Ok(envelope)) => {
                let before = std::mem::take(&mut state);
                match quietly(|| before.validate(&envelope)) {
                    Some(Ok(after)) => Ok(after),
                    Some(Err(error)) => Err(State::kind_of(&error)),
                    None => Err("Panic"),
                }
            }
            Some(Err(_)) => Err("Decode"),
            None => Err("Panic"),
        };
        validating += started.elapsed();

        match step {
            Ok(after) => state = after,
            Err(kind) => {
                refusal = Some(format!("invalid\t{index}\t{kind}"));
                break;
            }
        }
    }

    let verdict = refusal.unwrap_or_else(|| {
        let head = state.head_text().unwrap_or_else(|| "-".to_owned());
        format!("ok\t{head}\t{}", records.len())
    });
    Replay {
        verdict,
        decoding,
        validating,
    }
}

/// Runs library code; `None` if it panicked.
fn quietly<T>(code: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(code)).ok()
}

/// What the package and the operator log state have in common for us.
trait Judged: Validator {
    fn head_text(&self) -> Option<String>;
    fn kind_of(error: &Self::Error) -> &'static str;
}

/// The bare name of an error variant; a variant that is not listed does not compile.
macro_rules! variant_name {
    ($error:expr, $of:path: $($variant:ident)*) => {{
        use $of as Of;
        match $error {
            $(Of::$variant { .. } => stringify!($variant),)*
        }
    }};
}

impl Judged for package::LogState {
    fn head_text(&self) -> Option<String> {
        self.head().as_ref().map(|head| head.digest.to_string())
    }

    fn kind_of(error: &Self::Error) -> &'static str {
        variant_name!(error, package::ValidationError:
            FirstEntryIsNotInit
            InitialRecordDoesNotInit
            KeyIDNotRecognized
            InitialEntryAfterBeginning
            UnauthorizedAction
            PermissionNotFoundToRevoke
            ReleaseOfReleased
            YankOfUnreleased
            YankOfYanked
            SignatureError
            IncorrectHashAlgorithm
            RecordHashDoesNotMatch
            PreviousHashOnFirstRecord
            NoPreviousHashAfterInit
            ProtocolVersionNotAllowed
            TimestampLowerThanPrevious
        )
    }
}

impl Judged for operator::LogState {
    fn head_text(&self) -> Option<String> {
        self.head().as_ref().map(|head| head.digest.to_string())
    }

    fn kind_of(error: &Self::Error) -> &'static str {
        variant_name!(error, operator::ValidationError:
            FirstEntryIsNotInit
            InitialRecordDoesNotInit
            KeyIDNotRecognized
            InitialEntryAfterBeginning
            UnauthorizedAction
            PermissionNotFoundToRevoke
            SignatureError
            IncorrectHashAlgorithm
            RecordHashDoesNotMatch
            PreviousHashOnFirstRecord
            NoPreviousHashAfterInit
            ProtocolVersionNotAllowed
            TimestampLowerThanPrevious
            InvalidNamespace
            NamespaceAlreadyDefined
        )
    }
}

// ---- single texts and messages ----

/// Answers every line `kind TAB hex` of stdin with one line.
fn judge_lines(
    out: &mut impl Write,
    judge: impl Fn(&str, &[u8]) -> Result<Option<String>, Failure>,
) -> Result<(), Failure> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (kind, digits) = line.split_once('\t').ok_or("a line has no tab")?;
        let bytes = hex::decode(digits)?;
        match quietly(|| judge(kind, &bytes)) {
            Some(answer) => match answer? {
                Some(text) => writeln!(out, "{text}")?,
                None => writeln!(out, "err")?,
            },
            None => writeln!(out, "panic")?,
        }
    }
    Ok(())
}

/// `ok TAB hex of the text as the crate writes it`, or nothing if it refuses the text.
fn judge_text(kind: &str, bytes: &[u8]) -> Result<Option<String>, Failure> {
    // The crates read `&str`: bytes that are no UTF-8 never reach them.
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(None);
    };
    let rewritten = match kind {
        "hash" => written(text.parse::<AnyHash>()),
        "key" => written(text.parse::<PublicKey>()),
        "signature" => written(text.parse::<Signature>()),
        // `decode` is what the client and the server call; `TryFrom<String>` they do not.
        "private-key" => PrivateKey::decode(text.to_owned())
            .ok()
            .map(|key| key.encode().to_string()),
        "package-name" => written(text.parse::<PackageName>()),
        "version" => written(text.parse::<Version>()),
        other => return Err(format!("unknown kind of text: {other}").into()),
    };
    Ok(rewritten.map(|text| format!("ok\t{}", hex::encode(text))))
}

fn written<T: Display, E>(parsed: Result<T, E>) -> Option<String> {
    parsed.ok().map(|value| value.to_string())
}

/// `ok`, or nothing if the crate cannot decode the message.
fn judge_proto(kind: &str, bytes: &[u8]) -> Result<Option<String>, Failure> {
    let accepted = match kind {
        "package-record" => PackageRecord::decode(bytes).is_ok(),
        "operator-record" => OperatorRecord::decode(bytes).is_ok(),
        // The outer message alone; the other two also decode the record and the signature.
        "envelope" => warg_protobuf::protocol::Envelope::decode(bytes).is_ok(),
        "package-envelope" => ProtoEnvelope::<PackageRecord>::from_protobuf(bytes).is_ok(),
        "operator-envelope" => ProtoEnvelope::<OperatorRecord>::from_protobuf(bytes).is_ok(),
        other => return Err(format!("unknown kind of message: {other}").into()),
    };
    Ok(accepted.then(|| "ok".to_owned()))
}

// ---- the corpus file ----

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        if length > self.bytes.len() {
            return Err("the file ends in the middle of a record".into());
        }
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Failure> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn record(&mut self) -> Result<&'a [u8], Failure> {
        let length = self.u32()?;
        self.take(length as usize)
    }
}
