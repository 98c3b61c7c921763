import t from 'tap';
import type { Clock } from '../fabric/clock.ts';
import { createStampSource, stampTicks } from '../fabric/stamp.ts';
import type { Key } from '../object-server/contract.ts';
import { createSettledMarks, MARK_FLUSH_MS } from './settled.ts';

/** Time that moves when told to. */
function manualClock(): Clock & { advance(ms: number): void } {
  let nowMs = 1_700_000_000_000;
  let timers: { atMs: number; run: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, run };
      timers.push(timer);
      const cancel = (): void => {
        timers = timers.filter((each) => each !== timer);
      };
      return { cancel };
    },
    nextTurn: (run) => run(),
    sleep: async () => {},
    advance(ms) {
      nowMs += ms;
      const due = timers.filter((each) => each.atMs <= nowMs);
      timers = timers.filter((each) => each.atMs > nowMs);
      for (const { run } of due) run();
    },
  };
}

t.test('the mark never passes an open operation', async (t) => {
  const clock = manualClock();
  const marks = createSettledMarks(createStampSource({ clock, writerId: 7 }), clock);
  const first = marks.open();
  const second = marks.open();
  t.ok(marks.mark() <= first);
  marks.close(second);
  t.ok(marks.mark() <= first, 'a later one closed does not matter');
  marks.close(first);
  t.ok(marks.mark() > second);
  const third = marks.open();
  t.ok(third >= marks.mark(), 'a new operation is at or above every mark that was told');
  t.equal(marks.openCount, 1);
});

t.test('a silent writer tells the last mark once', async (t) => {
  const clock = manualClock();
  const marks = createSettledMarks(createStampSource({ clock, writerId: 7 }), clock);
  const told: string[] = [];
  marks.onQuiet((mark) => told.push(mark));
  const stamp = marks.open();
  clock.advance(MARK_FLUSH_MS * 2);
  t.same(told, [], 'not while something is open');
  marks.close(stamp);
  clock.advance(MARK_FLUSH_MS);
  clock.advance(MARK_FLUSH_MS);
  t.equal(told.length, 1);
  t.ok((told[0] as string) > stamp);
  clock.advance(MARK_FLUSH_MS * 10);
  t.equal(told.length, 1, 'an idle writer says nothing');
});

t.test('abandoned operations stay open until somebody closes them', async (t) => {
  const clock = manualClock();
  const marks = createSettledMarks(createStampSource({ clock, writerId: 7 }), clock);
  const stamp = marks.open();
  marks.abandonKeys(stamp, ['k']);
  t.ok(marks.mark() <= stamp);
  t.same(marks.takeAbandoned(), [{ stamp, keys: ['k'] }]);
  t.same(marks.takeAbandoned(), []);
  marks.close(stamp);
  t.ok(marks.mark() > stamp);
});

t.test('stamps: never twice, not after a restart with the clock set back, never far ahead', async (t) => {
  const clock = manualClock();
  let ceiling = 0;
  const reserve = (ticks: number): void => {
    ceiling = ticks;
  };
  const before = createStampSource({ clock, writerId: 7, reserve });
  let last = before.next();
  for (let i = 0; i < 1000; i++) {
    const next = before.next();
    t.ok(next > last) || t.bailout('stamps must rise');
    last = next;
  }
  t.ok(ceiling > stampTicks(last), 'what was issued lies below the durable ceiling');
  clock.advance(-3_600_000);
  const after = createStampSource({ clock, writerId: 7, floorTicks: ceiling, reserve });
  t.ok(after.next() > last);
  const far = createStampSource({ clock, writerId: 8 });
  far.observe('fffffffffffff001' as typeof last);
  t.ok(far.next() < last, 'a stamp from a broken clock is not followed');
});

t.test('an operation of two parts is open until both are over', async (t) => {
  const clock = manualClock();
  const marks = createSettledMarks(createStampSource({ clock, writerId: 7 }), clock);
  const closed = marks.open();
  marks.join(closed);
  marks.close(closed);
  t.ok(marks.mark() <= closed, 'one part is not all');
  marks.close(closed);
  t.ok(marks.mark() > closed);

  const left = marks.open();
  marks.join(left);
  marks.abandonKeys(left, ['a' as Key]);
  marks.abandonKeys(left, ['b' as Key]);
  t.same(marks.takeAbandoned(), [{ stamp: left, keys: ['a', 'b'] }], 'both are left to the reconciler');
  marks.close(left);
  t.ok(marks.mark() > left, 'which closes them together');

  const taken = marks.open();
  marks.join(taken);
  marks.abandonKeys(taken, ['a' as Key]);
  marks.takeAbandoned();
  marks.abandonKeys(taken, ['b' as Key]);
  marks.close(taken);
  t.ok(marks.mark() <= taken, 'one is over, the other was left since');
  marks.takeAbandoned();
  marks.close(taken);
  t.ok(marks.mark() > taken);
});
