//! One at a time, first come first served.

use super::*;

#[test]
fn a_hold_that_is_dropped_changes_nothing() {
    let house = Fixture::new();
    drop(house.held(POLICY, 1));
    assert_eq!(house.conversations.counts().held, 0, "nothing is kept of it");
    house.say("a", POLICY, 1);
    drop(house.held(POLICY, 2));
    assert_eq!(house.history(POLICY, 2), ["a", "re a"]);
    // Nor does one that came after the end prolong what is over.
    drop(house.held(POLICY, TTL + 1));
    assert_eq!(house.history(POLICY, TTL + 1), [""; 0]);
}

#[test]
fn sixteen_wait_first_come_first_served_and_the_next_is_refused() {
    let house = Fixture::new();
    let held = house.held(POLICY, 1);
    let bells: Vec<Arc<Bell>> = (0..MAX_WAITING).map(|_| Arc::default()).collect();
    let mut waits: Vec<TurnWait> = bells.iter().map(|_| house.wait()).collect();
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(poll(wait, bell).is_none());
    }
    let full = || matches!(house.conversations.enter(user(0), POLICY, 1), Begin::Full);
    assert!(full());
    assert!(matches!(house.conversations.enter(user(1), POLICY, 1), Begin::Ready(_)));
    say(held, "0", 1);
    assert!(full(), "who was called still waits until it comes");
    assert!(poll(&mut waits[1], &bells[1]).is_none(), "not its turn");
    for (index, mut wait) in waits.into_iter().enumerate() {
        assert_eq!(bells[index].0.load(Relaxed), 1, "{index} was woken, once");
        let next = poll(&mut wait, &bells[index]).unwrap();
        assert!(bells.get(index + 1).is_none_or(|bell| bell.0.load(Relaxed) == 0));
        assert_eq!(said(&next).last(), Some(&format!("re {index}")));
        say(next, &(index + 1).to_string(), 1);
    }
    let counts = house.conversations.counts();
    assert_eq!((counts.waiting, counts.full), (0, 2));
    assert!(matches!(house.conversations.enter(user(0), POLICY, 1), Begin::Ready(_)));
}

#[test]
fn whoever_leaves_the_queue_holds_nobody_up() {
    let house = Fixture::new();
    let bells: [Arc<Bell>; 4] = Default::default();
    let held = house.held(POLICY, 1);
    let [mut first, mut second, mut third, mut last] = [(); 4].map(|()| house.wait());
    for (wait, bell) in [&mut first, &mut second, &mut third, &mut last].into_iter().zip(&bells) {
        assert!(poll(wait, bell).is_none());
    }
    drop(second);
    drop(held);
    // The first has been called and leaves without coming.
    assert_eq!(bells[0].0.load(Relaxed), 1);
    drop(first);
    assert_eq!(bells[2].0.load(Relaxed), 1);
    let held = poll(&mut third, &bells[2]).unwrap();
    drop(last);
    drop(held);
    assert_eq!(bells[1].0.load(Relaxed) + bells[3].0.load(Relaxed), 0);
    let counts = house.conversations.counts();
    assert_eq!((counts.held, counts.waiting), (0, 0));
}

#[test]
fn a_thousand_messages_sixteen_at_a_time_are_each_appended_once_and_in_order() {
    let house = Fixture::new();
    let policy = Policy { window: 2 * MAX_PAIRS, ..POLICY };
    let (next, order) = (Mutex::new(0_u64), Mutex::new(Vec::new()));
    let (enter, order) = (&next, &order);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                loop {
                    // Numbered in the order in which they come.
                    let mut next = enter.lock().unwrap();
                    if *next == 1_000 {
                        return;
                    }
                    let number = *next;
                    *next += 1;
                    let entered = house.conversations.enter(user(0), policy, 1);
                    drop(next);
                    let held = match entered {
                        Begin::Ready(held) => held,
                        Begin::Waiting(wait) => runtime.block_on(wait),
                        Begin::Full => panic!("fifteen wait at most"),
                    };
                    // Every seventh fails.
                    if number % 7 != 0 {
                        order.lock().unwrap().push(number);
                        say(held, &number.to_string(), 1);
                    }
                }
            });
        }
    });
    let expected: Vec<u64> = (0..1_000).filter(|number| number % 7 != 0).collect();
    assert_eq!(*order.lock().unwrap(), expected);
    let last = &expected[expected.len() - MAX_PAIRS as usize..];
    let last: Vec<_> = last.iter().flat_map(|n| [n.to_string(), format!("re {n}")]).collect();
    assert_eq!(house.history(policy, 1), last);
    let house = house.restart();
    assert_eq!(house.history(policy, 1), last);
}
