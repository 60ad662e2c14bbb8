//! What stays in memory.

use super::*;

#[test]
fn memory_is_bounded_and_what_left_it_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let conversations = Conversations::bounded(store, 2, 50, 1 << 20);
    let all = |check: &dyn Fn(u64, TurnGuard)| {
        for number in 0..1_000 {
            match conversations.enter(user(number), POLICY, 1) {
                Begin::Ready(held) => check(number, held),
                other => panic!("{other:?}"),
            }
            assert!(conversations.counts().held <= 100);
        }
    };
    all(&|number, held| say(held, &number.to_string(), 1));
    assert!(conversations.counts().evicted >= 900);
    all(&|number, held| {
        assert_eq!(said(&held), [number.to_string(), format!("re {number}")]);
        say(held, "more", 1);
    });
    all(&|_, held| assert_eq!(said(&held).len(), 4));

    // By bytes: each has a text of 16 KiB.
    let large = "x".repeat(16 * 1024);
    all(&|_, held| say(held, &large, 1));
    let most = 2 * (1 << 20) + 50 * 1024;
    assert!(conversations.counts().bytes < most, "{}", conversations.counts().bytes);

    // What is held is not forgotten, however many there are.
    let held: Vec<Begin> =
        (2_000..2_200).map(|n| conversations.enter(user(n), POLICY, 1)).collect();
    assert!(held.iter().all(|enter| matches!(enter, Begin::Ready(_))));
    assert_eq!(conversations.counts().held, 200);
    drop(held);
    assert_eq!(conversations.counts().held, 0, "nothing was said in them");
}

#[test]
fn idle_ones_leave_memory_a_few_at_a_tick() {
    let house = Fixture::new();
    let all = &house.conversations;
    let policy = Policy { ttl: Duration::from_secs(86_400), ..POLICY };
    let enter = |number, now_ms| match all.enter(user(number), policy, now_ms) {
        Begin::Ready(held) => held,
        other => panic!("{other:?}"),
    };
    for number in 0..1_000 {
        say(enter(number, 1), "a", 1);
    }
    say(enter(3, 2), "b", 2);
    for _ in 0..1_000 {
        all.sweep(IDLE_MS);
    }
    assert_eq!(all.counts().held, 1_000);
    let held = enter(4, 1);
    all.sweep(IDLE_MS + 1);
    let left = all.counts().held;
    assert!((1_000 - BATCH_CONVERSATIONS as u64..1_000).contains(&left), "{left}");
    for _ in 0..1_000 {
        all.sweep(IDLE_MS + 1);
    }
    assert_eq!(all.counts().held, 2, "the later one, and the one that is held");
    drop(held);
    assert_eq!(said(&enter(5, 3)), ["a", "re a"]);
}
