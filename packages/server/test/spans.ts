import assert from 'node:assert/strict';
import {
  INVALID_SPAN_CONTEXT,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';

/** What a span was told. */
export interface RecordedSpan {
  name: string;
  readonly attributes: Attributes;
  failed: boolean;
  ended: boolean;
}

/** Stands in for an operator's SDK, for all of this process. */
export function recordSpans(): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const startSpan = (name: string, options: SpanOptions = {}): Span => {
    const recorded: RecordedSpan = { name, attributes: { ...options.attributes }, failed: false, ended: false };
    spans.push(recorded);
    return spanOf(recorded);
  };
  const run = (name: string, ...rest: readonly unknown[]): unknown => {
    const work = rest.at(-1);
    assert.ok(typeof work === 'function');
    return work(startSpan(name));
  };
  const tracer: Tracer = { startSpan, startActiveSpan: run };
  trace.setGlobalTracerProvider({ getTracer: () => tracer });
  return spans;
}

function spanOf(recorded: RecordedSpan): Span {
  const span: Span = {
    spanContext: () => INVALID_SPAN_CONTEXT,
    setAttribute: (key, value) => span.setAttributes({ [key]: value }),
    setAttributes: (attributes) => {
      Object.assign(recorded.attributes, attributes);
      return span;
    },
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    setStatus: ({ code }) => {
      recorded.failed = code === SpanStatusCode.ERROR;
      return span;
    },
    updateName: (name) => {
      recorded.name = name;
      return span;
    },
    end: () => {
      recorded.ended = true;
    },
    isRecording: () => true,
    recordException: () => undefined,
  };
  return span;
}
