// What `npm test` prints: nothing for a test that passes, the place and the reason for one that fails, and where a long run
// spent its time.
// The totals go to the file named by WAYBILL_TOTALS_FILE, so that they never have to be read back out of text.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { inspect } from 'node:util';

/** Tests that take longer are named at the end, slowest first, at most so many. */
const SLOW_MS_MIN = 20_000;
const SLOW_MAX = 12;

/**
 * A reporter for `node --test --test-reporter`.
 * @param {AsyncIterable<import('node:test/reporters').TestEvent>} events
 */
export default async function* testReporter(events) {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  const slow = [];
  for await (const event of events) {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') yield event.data.message;
    const outcome = outcomeOf(event);
    if (outcome !== null) totals[outcome] += 1;
    if (outcome === 'failed') yield describeFailure(event.data);
    if (outcome !== null && event.data.details?.duration_ms > SLOW_MS_MIN) slow.push(event.data);
  }
  yield* describeSlow(slow);
  const file = process.env['WAYBILL_TOTALS_FILE'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(totals));
}

function outcomeOf({ type, data }) {
  if (type !== 'test:pass' && type !== 'test:fail') return null;
  const isGroup = data.details?.type === 'suite' || data.details?.error?.failureType === 'subtestsFailed';
  if (isGroup && !isHookFailure(data)) return null;
  if (data.skip !== undefined || data.todo !== undefined) return 'skipped';
  if (type === 'test:fail') return 'failed';
  // The runner reports a file without a single test as one passed test named after the file. It proves nothing.
  return data.name === data.file ? 'failed' : 'passed';
}

/** A hook that throws is the failure of its suite itself, not of a test in it. */
function isHookFailure({ details }) {
  return details?.error?.failureType === 'hookFailed';
}

function describeFailure({ name, file, line, details }) {
  const place = file === undefined ? '' : ` (${relative(process.cwd(), file)}:${line})`;
  const error = details?.error;
  const reason = error === undefined ? 'The file holds no test.' : inspect(error.cause ?? error, { depth: 4 });
  return `\nFAILED ${name}${place}\n${reason.replaceAll(/^/gm, '  ')}\n`;
}

function* describeSlow(slow) {
  const slowest = slow.toSorted((a, b) => b.details.duration_ms - a.details.duration_ms).slice(0, SLOW_MAX);
  for (const { name, file, details } of slowest) {
    yield `${(details.duration_ms / 1_000).toFixed(0).padStart(5)} s  ${relative(process.cwd(), file ?? '')}: ${name}\n`;
  }
}
