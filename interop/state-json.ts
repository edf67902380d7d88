import type { JsonValue, LogState, NamespaceBinding, Release, Timestamp } from '@waybill/protocol';

/* The JSON in which the Rust crates write the states of logs (warg.md 4.3). */

export function packageStateJson(state: LogState<string, Release>): JsonValue {
  return { ...sharedJson(state), ...ifAny('releases', mapJson(state.bindings, releaseJson)), ...keysJson(state) };
}

export function operatorStateJson(state: LogState<string, NamespaceBinding>): JsonValue {
  return { ...sharedJson(state), ...ifAny('namespaces', mapJson(state.bindings, namespaceJson)), ...keysJson(state) };
}

type JsonMembers = Record<string, JsonValue>;

function sharedJson({ head, permissions }: LogState<string, unknown>): JsonMembers {
  if (head === null) return {};
  return {
    algorithm: 'sha256',
    head: { digest: head.id, timestamp: timeText(head.time) },
    ...ifAny(
      'permissions',
      mapJson(permissions, (held) => [...held.keys()]),
    ),
  };
}

function keysJson({ keys }: LogState<string, unknown>): JsonMembers {
  return ifAny(
    'keys',
    mapJson(keys, ({ text }) => text),
  );
}

function releaseJson({ recordId, version, by, time, content, state }: Release): JsonValue {
  const body: JsonMembers =
    state.status === 'released'
      ? { status: state.status, content }
      : { status: state.status, by: state.by, timestamp: timeText(state.time) };
  return { recordId, version, by, timestamp: timeText(time), state: body };
}

function namespaceJson(binding: NamespaceBinding): JsonValue {
  if (binding.status === 'defined') return { state: 'defined' };
  return { state: { imported: { registry: binding.registry } } };
}

/** Seconds, and nanoseconds as a count: `5.7` is 5 s and 7 ns. */
function timeText({ seconds, nanos }: Timestamp): string {
  return `${seconds}.${nanos}`;
}

function mapJson<V>(map: ReadonlyMap<string, V>, json: (value: V) => JsonValue): JsonMembers {
  return Object.fromEntries([...map].map(([name, value]) => [name, json(value)]));
}

/** Empty members are left out. */
function ifAny(name: string, members: JsonMembers): JsonMembers {
  return Object.keys(members).length === 0 ? {} : { [name]: members };
}
