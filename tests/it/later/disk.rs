//! A disk that is full: no 202, and all else goes on.

use super::{Bot, accepted, config, jobs, jobs_until, message, wait};
use crate::harness::{Backend, Botgate, ai};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Has a file that would grow too large be an error of the write, not the end of the process.
pub(crate) fn without_the_signal(command: &mut Command) {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    *command = shell;
}

/// Lets no file of this Botgate grow beyond so many bytes.
pub(crate) fn limit(botgate: &Botgate, current: Option<u64>) {
    let pid = Pid::from_raw(botgate.pid().cast_signed()).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit { current, maximum };
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

#[test]
fn on_a_full_disk_nothing_is_accepted_and_what_can_be_answered_is() {
    // Slower than the bot that would be quick.
    let ai = Backend::start(|seen, connection| {
        connection.closed_within(Duration::from_millis(100));
        ai::echoed(seen, connection)
    });
    let receiver = Backend::ok();
    let state = tempfile::tempdir().unwrap();
    let sync = "reply = { mode = \"sync\" }";
    let auto = "reply = { mode = \"auto\", within = \"1ms\" }";
    let bots = [
        Bot::of("later", &receiver),
        Bot {
            more: sync,
            ..Bot::of("now", &receiver)
        },
        Bot {
            more: auto,
            ..Bot::of("auto", &receiver)
        },
    ];
    let text = config(&ai, state.path(), &bots);
    let botgate =
        Botgate::start_with(&text, |_, command| without_the_signal(command)).expect_errors();
    accepted(&botgate, "later", "one", "before");
    jobs_until(&botgate, "delivered", 1.0);
    limit(&botgate, Some(1));
    for _ in 0..3 {
        let reply = botgate.caller().call(&message("later", "one", "hi"));
        assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"));
        assert_eq!(reply.header("retry-after"), Some("1"));
        let id = reply.header("x-request-id").unwrap();
        assert_eq!(botgate.access(id)["reason"], "journal");
    }
    // What cannot be kept is waited for, though it takes longer than a bot of this kind would.
    for bot in ["now", "auto"] {
        let reply = botgate.caller().call(&message(bot, "one", "hi"));
        assert_eq!(reply.status, 200, "{bot}: {reply:?}");
    }
    let answered = ai.count();
    limit(&botgate, None);
    let end = Instant::now() + crate::harness::PATIENCE;
    let mut reply = botgate.caller().call(&message("later", "one", "after"));
    while reply.status == 503 {
        assert!(Instant::now() < end, "{reply:?}");
        reply = botgate.caller().call(&message("later", "one", "after"));
    }
    assert_eq!(reply.status, 202, "{reply:?}");
    wait(&receiver, 2);
    jobs_until(&botgate, "delivered", 2.0);
    assert_eq!(receiver.count(), 2, "what was refused is not delivered");
    assert_eq!(ai.count(), answered + 1);
    assert_eq!(jobs(&botgate, "accepted"), 0.0);
}
