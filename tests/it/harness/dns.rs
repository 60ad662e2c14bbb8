//! A DNS server for a sandbox: at 127.0.0.1:53 it answers as the test's script says and counts the look-ups of each name.

use super::Monitor;
use std::{
    collections::BTreeMap,
    net::{IpAddr, UdpSocket},
    thread,
};

/// IPv4 addresses, and IPv6 ones, as a question names them.
const A: u16 = 1;
const AAAA: u16 = 28;

/// A running name server. Its answers are good for no time at all.
pub(crate) struct DnsServer(Monitor<BTreeMap<String, usize>>);

impl DnsServer {
    /// Answers with the addresses that `script` says of a name that was asked for so often before; it is asked once for each look-up
    /// of IPv4 addresses, and its IPv6 ones are told to whoever asks for those.
    pub(crate) fn start(
        script: impl Fn(&str, usize) -> Vec<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let asked = Monitor::new(BTreeMap::new());
        let counts = asked.clone();
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let question = &question[..length];
                let Some((name, kind, end)) = read(question) else {
                    continue;
                };
                let before = counts.change(|counts: &mut BTreeMap<String, usize>| {
                    let count = counts.entry(name.clone()).or_default();
                    let before = *count;
                    *count += usize::from(kind == A);
                    before
                });
                let answer = write(question, end, kind, &script(&name, before));
                let _ = socket.send_to(&answer, from);
            }
        });
        Self(asked)
    }

    /// How often a name was looked up.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.0.lock().get(name).copied().unwrap_or_default()
    }
}

/// The name that is asked for, the kind of its addresses, and where the question ends.
fn read(question: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(question.get(at..at + length)?.to_vec()).ok()?);
        at += length;
    }
    let kind = u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, at + 4))
}

fn write(question: &[u8], end: usize, kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let rows: Vec<Vec<u8>> = addresses
        .iter()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(address), A) => Some(address.octets().to_vec()),
            (IpAddr::V6(address), AAAA) => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut answer = question[..2].to_vec();
    // A response that recursion was had for; one question, so many answers.
    answer.extend([0x81, 0x80, 0, 1]);
    answer.extend((rows.len() as u16).to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&question[12..end]);
    for row in rows {
        // The name is the one at byte 12; class IN, no time to live.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend((row.len() as u16).to_be_bytes());
        answer.extend(row);
    }
    answer
}
