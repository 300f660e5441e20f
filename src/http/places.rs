//! The places of one worker: how many connections it serves at once, and which idle ones give way.
//!
//! A connection is idle between requests, and before the first one. While all places are taken, the ones that
//! have been idle for longest leave as new clients arrive, so that clients that send nothing cannot keep
//! others out. An idle connection also gives up what it needs only for requests, and leaves after a while
//! even if nobody waits for its place.
//!
//! A worker runs on one thread, so nothing here takes a lock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

/// How many ticks an idle connection stays. It is the keep-alive time, so a tick is this part of it.
const STAY: u64 = 30;

/// How many ticks an idle connection keeps its buffers: clients that ask again at once do not wait for new
/// ones.
const FRESH: u64 = 1;

/// The places of one worker.
#[derive(Debug)]
pub struct Places {
    /// How many are free.
    free: Cell<usize>,
    /// The new clients that wait for a place, the first one first.
    waiting: RefCell<VecDeque<oneshot::Sender<Seat>>>,
    /// How many connections were asked to leave, and have not left yet.
    leaving: Cell<usize>,
    idle: RefCell<VecDeque<Idle>>,
    ticks: Cell<u64>,
    /// Whether the server stops.
    closing: Cell<bool>,
}

/// An idle connection. An entry stays in the queue when its connection becomes busy, and is skipped then.
#[derive(Debug)]
struct Idle {
    place: Weak<Place>,
    /// Which of the connection's idle times it is.
    turn: u32,
    since: u64,
}

/// The place of one connection.
#[derive(Debug)]
pub struct Place {
    seat: Seat,
    state: Cell<State>,
    /// How often it has become idle.
    turn: Cell<u32>,
    /// Wakes the connection's task when it is asked for something.
    waker: RefCell<Option<Waker>>,
}

/// One of the places, while it is taken. Dropping it passes it on to the client that has waited for longest.
#[derive(Debug)]
struct Seat(Rc<Places>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Busy,
    Idle(Asked),
}

/// What an idle connection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    /// Give up what is needed only for requests.
    Shrink,
    /// End the connection.
    Leave,
}

impl Places {
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            free: Cell::new(limit),
            waiting: RefCell::default(),
            leaving: Cell::default(),
            idle: RefCell::default(),
            ticks: Cell::default(),
            closing: Cell::default(),
        })
    }

    /// Waits for a place. Returns `None` when the server stops.
    pub async fn enter(self: &Rc<Self>) -> Option<Rc<Place>> {
        let seat = self.seat().await?;
        let (state, turn, waker) = (Cell::new(State::Busy), Cell::default(), RefCell::default());
        Some(Rc::new(Place { seat, state, turn, waker }))
    }

    async fn seat(self: &Rc<Self>) -> Option<Seat> {
        if self.closing.get() {
            return None;
        }
        if let Some(free) = self.free.get().checked_sub(1) {
            self.free.set(free);
            return Some(Seat(Rc::clone(self)));
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push_back(sender);
        self.make_room();
        receiver.await.ok()
    }

    /// Asks as many idle connections to leave as there are clients that wait, those first that have been idle
    /// for longest.
    fn make_room(&self) {
        while self.leaving.get() < self.waiting.borrow().len() || self.closing.get() {
            let Some(idle) = self.idle.borrow_mut().pop_front() else { return };
            idle.ask(Asked::Leave);
        }
    }

    /// Lets time pass: a tick is `STAY` times shorter than the time that an idle connection stays.
    pub fn tick(&self) {
        let now = self.ticks.get() + 1;
        self.ticks.set(now);
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|idle| idle.since + STAY < now) {
            if let Some(longest) = idle.pop_front() {
                longest.ask(Asked::Leave);
            }
        }
        // Those that became idle before were asked at the last tick.
        let start = idle.partition_point(|idle| idle.since + FRESH + 1 < now);
        for fresh in idle.range(start..).take_while(|idle| idle.since + FRESH < now) {
            fresh.ask(Asked::Shrink);
        }
    }

    /// Lets time pass for as long as the worker runs, and calls `then` with each tick.
    pub async fn run(self: Rc<Self>, keep_alive: Duration, then: impl Fn()) {
        let tick = keep_alive / u32::try_from(STAY).unwrap_or(u32::MAX);
        loop {
            tokio::time::sleep(tick).await;
            self.tick();
            then();
        }
    }

    /// Asks every idle connection to leave, and each other one as soon as it is idle. New clients get no place.
    pub fn close(&self) {
        self.closing.set(true);
        self.waiting.borrow_mut().clear();
        self.make_room();
    }

    /// Whether the server stops.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Forgets the entries of connections that are not idle any more, once they are the majority.
    fn sweep(idle: &mut VecDeque<Idle>) {
        if idle.len() == idle.capacity() {
            idle.retain(|idle| idle.place().is_some());
            idle.reserve(idle.len());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let places = &self.0;
        // A sender fails if its client is gone.
        let next =
            std::iter::from_fn(|| places.waiting.borrow_mut().pop_front()).find(|next| !next.is_closed());
        match next {
            Some(next) => drop(next.send(Self(Rc::clone(places)))),
            None => places.free.set(places.free.get() + 1),
        }
    }
}

impl Idle {
    /// The connection, if it has been idle since this entry was made.
    fn place(&self) -> Option<Rc<Place>> {
        let place = self.place.upgrade()?;
        (place.turn.get() == self.turn && place.state.get() != State::Busy).then_some(place)
    }

    fn ask(&self, what: Asked) {
        if let Some(place) = self.place() {
            place.ask(what);
        }
    }
}

impl Place {
    /// Notes that the connection waits for a request, unless that is known. Returns what it is asked for, now
    /// and whenever the task of this context is woken.
    pub fn rest(self: &Rc<Self>, cx: &Context<'_>) -> Asked {
        self.listen(cx);
        if let State::Idle(asked) = self.state.get() {
            return asked;
        }
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        self.state.set(State::Idle(Asked::Nothing));
        let mut idle = self.places().idle.borrow_mut();
        Places::sweep(&mut idle);
        idle.push_back(Idle { place: Rc::downgrade(self), turn, since: self.places().ticks.get() });
        drop(idle);
        self.places().make_room();
        if let State::Idle(asked) = self.state.get() { asked } else { Asked::Nothing }
    }

    /// Notes that a request has begun. If the connection was asked to leave, another one leaves instead.
    pub fn work(&self) {
        let before = self.state.replace(State::Busy);
        if before == State::Idle(Asked::Leave) {
            self.places().leaving.set(self.places().leaving.get() - 1);
            self.places().make_room();
        }
    }

    fn places(&self) -> &Places {
        &self.seat.0
    }

    fn ask(&self, what: Asked) {
        let before = self.state.replace(State::Idle(what));
        if what == Asked::Leave && before != State::Idle(Asked::Leave) {
            self.places().leaving.set(self.places().leaving.get() + 1);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.state.get() == State::Idle(Asked::Leave) {
            self.places().leaving.set(self.places().leaving.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Takes a place that must be free.
    fn enter(places: &Rc<Places>) -> Rc<Place> {
        places.enter().now_or_never().flatten().expect("there is a free place")
    }

    fn rest(place: &Rc<Place>) -> Asked {
        place.rest(&Context::from_waker(Waker::noop()))
    }

    /// One request: its beginning, and the end of its reply.
    fn ask(place: &Rc<Place>) {
        place.work();
        rest(place);
    }

    #[test]
    fn a_new_client_takes_the_place_of_the_one_that_has_been_idle_for_longest() {
        let places = Places::new(3);
        let [first, second, third] = std::array::from_fn(|_| enter(&places));
        for place in [&first, &second, &third, &first] {
            ask(place);
        }
        let mut one = std::pin::pin!(places.enter());
        assert!(one.as_mut().now_or_never().is_none());
        assert_eq!([&first, &second, &third].map(rest), [Asked::Nothing, Asked::Leave, Asked::Nothing]);
        drop(second);
        let one = one.now_or_never().flatten().expect("it has the place of the one that left");
        assert_eq!([&first, &third, &one].map(rest), [Asked::Nothing; 3]);
    }

    #[test]
    fn nobody_leaves_in_the_middle_of_a_request_and_the_next_one_that_is_idle_leaves_instead() {
        let places = Places::new(2);
        let [first, second] = std::array::from_fn(|_| enter(&places));
        rest(&first);
        second.work();
        let mut one = std::pin::pin!(places.enter());
        assert!(one.as_mut().now_or_never().is_none());
        assert_eq!(rest(&first), Asked::Leave);
        // A request arrives before it has left.
        first.work();
        assert_eq!(rest(&second), Asked::Leave);
        assert_eq!(rest(&first), Asked::Nothing);
        drop(second);
        assert!(one.now_or_never().flatten().is_some());
    }

    #[test]
    fn clients_get_places_in_the_order_in_which_they_came_and_those_that_are_gone_get_none() {
        let places = Places::new(1);
        let first = enter(&places);
        let mut gone = Box::pin(places.enter());
        let mut second = Box::pin(places.enter());
        let mut third = Box::pin(places.enter());
        for waiting in [&mut gone, &mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(gone);
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.now_or_never().flatten().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        drop(third.now_or_never().flatten().unwrap());
        assert_eq!(places.free.get(), 1);
    }

    #[test]
    fn an_idle_connection_shrinks_soon_and_leaves_in_the_end() {
        let places = Places::new(2);
        let [idle, busy] = std::array::from_fn(|_| enter(&places));
        rest(&idle);
        let asked: Vec<Asked> = (0..STAY + 2)
            .map(|_| {
                places.tick();
                ask(&busy);
                rest(&idle)
            })
            .collect();
        let count = |what| asked.iter().filter(|asked| **asked == what).count();
        let stays = usize::try_from(STAY).unwrap();
        assert_eq!((count(Asked::Nothing), count(Asked::Shrink), count(Asked::Leave)), (1, stays - 1, 2));
        assert!(asked.is_sorted_by_key(|asked| *asked as u8));
        assert_eq!(rest(&busy), Asked::Nothing);
    }

    #[test]
    fn when_the_server_stops_idle_connections_leave_and_others_once_they_are_idle() {
        let places = Places::new(2);
        let [idle, busy] = std::array::from_fn(|_| enter(&places));
        rest(&idle);
        let mut waiting = std::pin::pin!(places.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        places.close();
        assert_eq!(rest(&idle), Asked::Leave);
        assert!(waiting.now_or_never().unwrap().is_none());
        busy.work();
        assert_eq!(rest(&busy), Asked::Leave);
        drop(idle);
        assert!(places.enter().now_or_never().unwrap().is_none());
    }

    #[test]
    fn requests_do_not_make_the_queue_grow() {
        let places = Places::new(10);
        let all: Vec<_> = (0..10).map(|_| enter(&places)).collect();
        for _ in 0..1000 {
            all.iter().for_each(ask);
        }
        assert!(places.idle.borrow().len() < 100, "{}", places.idle.borrow().len());
    }
}
