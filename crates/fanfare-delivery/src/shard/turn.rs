//! What happens in one turn, and how long the shard may sleep before it.

use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::{Connection, Phase, Shard};
use crate::door::Door;
use crate::framing::{LAST_CHUNK, chunk};
use crate::inbox::Mail;
use crate::leases::LOOK;
use crate::socket::{Moved, send_some};
use crate::stream::State;
use crate::table::Token;
use crate::wheel::Tick;

/// What epoll says when another thread rang.
pub(super) const WOKEN: epoll::EventData = epoll::EventData::new_u64(u64::MAX);
/// Sockets that are looked at in one turn: measured, 16 to 256 requests before each sweep are best.
const EVENTS_MAX: usize = 256;
/// Requests taken in a turn while more is published than delivered: publishers are slowed to what
/// subscribers get, and nobody is kept out.
const REQUESTS_MIN: usize = 16;
/// Requests taken in a turn that goes on sweeping, which takes a millisecond: what is published
/// while a sweep to ten thousand is under way shall fit into the next.
const WHILE_SWEEPING_MAX: usize = 48;
/// The same while more is published than delivered.
const WHILE_SWEEPING_MIN: usize = 1;
/// More is published than delivered, too, when streams that fell behind were sent so much in a
/// turn: some 0.3 ms of its time. A network that is slower than the log costs no time, and slows
/// no publisher.
const CAUGHT_UP_BYTES: usize = 1 << 20;
/// Streams that catch up in one turn, each with a bounded number of bytes.
const READY_MAX: usize = 64;

impl<D: Door> Shard<D> {
    /// Works until it is told to end.
    pub(crate) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while self.phase < Phase::Over {
            events.clear();
            let timeout = self.sleep_max();
            let waited = epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                timeout.as_ref(),
            );
            self.calls.alarm.begin_turn();
            self.now = Instant::now();
            self.tick = self.wheel.tick(self.now);
            match waited {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    // The arguments are its own, so that only a lack of memory is left.
                    tracing::error!(%error, "cannot wait for sockets");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            self.turn(&events);
        }
    }

    /// How long there is nothing to do; asked last, because who rings from here on wakes the shard.
    fn sleep_max(&self) -> Option<Timespec> {
        let gathers_for = self.gathers_for(Instant::now());
        let is_busy = self.has_more
            || (self.owes_a_look && gathers_for.is_none())
            || !self.sweeps.is_empty()
            || !self.manys.is_empty()
            || !self.ready.is_empty()
            || !self.held.is_empty();
        if is_busy || !self.calls.alarm.may_sleep() {
            return Some(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
        }
        if let Some(left) = gathers_for {
            return Timespec::try_from(left).ok();
        }
        let idle = self.wheel.idle(Instant::now());
        let pause = self.listeners.pause_ends(self.tick);
        let look = (!self.leases.is_empty()).then_some(LOOK);
        let idle = [idle, pause, look].into_iter().flatten().min()?;
        // Rounded up, or the shard would wake just before its time and find nothing to do.
        let idle = idle + Duration::from_millis(1);
        Timespec::try_from(idle).ok()
    }

    fn turn(&mut self, events: &[epoll::Event]) {
        let is_behind = self.has_more || self.caught_up_bytes >= CAUGHT_UP_BYTES;
        let is_sweeping = !self.sweeps.is_empty() || !self.manys.is_empty();
        self.requests_left = match (is_sweeping, is_behind) {
            (false, false) => EVENTS_MAX,
            (false, true) => REQUESTS_MIN,
            (true, false) => WHILE_SWEEPING_MAX,
            (true, true) => WHILE_SWEEPING_MIN,
        };
        self.caught_up_bytes = 0;
        self.requests_taken = 0;
        for _ in 0..self.held.len().min(self.requests_left) {
            if let Some(token) = self.held.pop_front() {
                self.go_on(token);
            }
        }
        for event in events {
            if event.data.u64() == WOKEN.u64() {
                continue;
            }
            match self.listeners.index_of(event.data.u64()) {
                Some(index) => self.accept(index),
                None => self.on_socket(Token::from_u64(event.data.u64()), event.flags),
            }
        }
        for mail in self.peers.all[self.index].inbox.take_mail() {
            self.read_mail(mail);
        }
        self.on_answers();
        self.on_woken();
        self.follow();
        self.sweep();
        for _ in 0..self.ready.len().min(READY_MAX) {
            if let Some(token) = self.ready.pop_front() {
                self.catch_up(token);
            }
        }
        while let Some((tick, due)) = self.wheel.turn(self.tick) {
            due.into_iter().for_each(|token| self.on_timer(token, tick));
        }
        self.resume_accepting();
        if self.leases.is_due(self.now) {
            self.end_lapsed();
        }
    }

    /// Ends streams whose credential is worth nothing any more, and tells them why where the
    /// socket takes it: who does not read gets nothing at all.
    fn end_lapsed(&mut self) {
        let suspects = self
            .leases
            .suspects(self.door.now(), self.door.generation());
        for (token, lease) in suspects {
            let Some(block) = self.door.lapse(&lease) else {
                continue;
            };
            if let Some(stream) = self.stream_mut(token)
                && stream.is_between_chunks()
            {
                let last = [&chunk(&block), LAST_CHUNK].concat();
                send_some(&stream.socket, &last);
            }
            self.close(token);
        }
    }

    fn on_socket(&mut self, token: Token, flags: epoll::EventFlags) {
        use epoll::EventFlags;
        let Some(entry) = self.table.entry_mut(token) else {
            return;
        };
        match &mut entry.connection {
            Connection::Asking(_) => self.on_asking(token, flags),
            // A stream has nothing more to say; who hangs up, even by half, is gone.
            Connection::Stream(_)
                if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) =>
            {
                self.close(token);
            }
            Connection::Stream(stream) => {
                if let State::Behind(behind) = &mut stream.state
                    && flags.contains(EventFlags::OUT)
                    && behind.is_blocked
                {
                    behind.is_blocked = false;
                    self.catch_up(token);
                }
            }
        }
    }

    fn on_answers(&mut self) {
        let mut answers = std::mem::take(&mut self.scratch.answers);
        self.calls.take_answers(&mut answers);
        for (number, result) in answers.drain(..) {
            self.on_answer(Token::from_u64(number), result);
        }
        self.scratch.answers = answers;
    }

    fn on_woken(&mut self) {
        let mut woken = std::mem::take(&mut self.scratch.woken);
        self.calls.take_woken(&mut woken);
        for token in woken.drain(..) {
            match self.table.entry_mut(token).map(|entry| &entry.connection) {
                Some(Connection::Asking(_)) => self.on_located(token),
                Some(Connection::Stream(_)) => self.ready.push_back(token),
                None => {}
            }
        }
        self.scratch.woken = woken;
    }

    fn read_mail(&mut self, mail: Mail<D>) {
        match mail {
            Mail::Connection(socket, place) => self.welcome(socket, place),
            Mail::Adopt(adopted) => self.adopt(*adopted),
            Mail::Listen(listener) => self.listen(listener),
            Mail::StopListening(listener) => self.stop_listening(&listener),
            Mail::Stop => {
                self.phase = self.phase.max(Phase::Stopping);
                for token in self.table.tokens() {
                    self.stop_asking(token);
                }
            }
            Mail::Drain => {
                self.phase = self.phase.max(Phase::Draining);
                // Nobody has read further than the log: what is visible now is still told.
                self.ready.extend(self.table.tokens());
            }
            Mail::Quit => self.phase = Phase::Over,
        }
    }

    /// A timer came up that was set for that tick.
    fn on_timer(&mut self, token: Token, tick: Tick) {
        let Some(entry) = self.table.entry_mut(token) else {
            return;
        };
        if entry.armed != tick {
            // It was set anew for an earlier tick.
            return;
        }
        if entry.due > tick {
            entry.armed = self.wheel.arm(token, entry.due);
            return;
        }
        match &entry.connection {
            Connection::Asking(_) => self.on_asking_due(token),
            Connection::Stream(_) => self.on_heartbeat(token),
        }
        if let Some(entry) = self.table.entry_mut(token) {
            entry.armed = self.wheel.arm(token, entry.due);
        }
    }

    /// A stream may have been silent for too long. Its timer is not set anew for each event.
    fn on_heartbeat(&mut self, token: Token) {
        /// A chunk with a comment, which readers ignore and proxies see.
        const HEARTBEAT: &[u8] = b"2\r\n:\n\r\n";
        let (tick, heartbeat) = (self.tick, self.times.heartbeat);
        let Some(stream) = self.stream_mut(token) else {
            return;
        };
        let mut next = stream.sent.after(spread(heartbeat));
        if tick.since(stream.sent) >= heartbeat.mul_f64(SPREAD_MIN) {
            next = tick.after(spread(heartbeat));
            if matches!(stream.state, State::Live) {
                stream.sent = tick;
                match send_some(&stream.socket, HEARTBEAT) {
                    // A full socket has no need of a sign of life.
                    Moved::Blocked => {}
                    Moved::Bytes(sent) if sent == HEARTBEAT.len() => {}
                    Moved::Bytes(_) | Moved::Broken => return self.close(token),
                }
            }
        }
        self.set_due(token, next);
    }
}

/// How much of an interval remains when it is spread the most.
const SPREAD_MIN: f64 = 0.8;

/// The interval, up to 20 % shorter or longer.
pub(super) fn spread(interval: Duration) -> Duration {
    interval.mul_f64(SPREAD_MIN + 2.0 * (1.0 - SPREAD_MIN) * fastrand::f64())
}
