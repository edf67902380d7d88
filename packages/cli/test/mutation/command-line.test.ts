import assert from 'node:assert/strict';
import { cp, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { EXIT } from '../../src/exit-code.ts';
import { openUser, type TestUser } from '../registry.ts';
import type { ProxiedAnswer } from './answer-mutations.ts';
import { lieOf } from './lies.ts';
import { Recording } from './recording.ts';
import { openStage, type Stage } from './stage.ts';

const MUTATIONS = FULL ? 240 : 12;
const ALLOWED: ReadonlySet<number> = new Set([EXIT.tampered, EXIT.stale, EXIT.notFound, EXIT.network]);

type Answerer = (url: string, init: RequestInit) => Promise<ProxiedAnswer>;

let stage: Stage;
let proxy: Server;
let url: string;
let answerer: Answerer;
let earlier: Recording;
let honest: Recording;
let evil: Recording;
/** The home of a user who has been here before. */
let visited: TestUser;

before(async () => {
  stage = await openStage();
  proxy = createServer((request, response) => {
    void bodyOf(request)
      .then((body) => answerer(new URL(request.url ?? '/', url).href, initOf(request, body)))
      .then(({ status, contentType, body }) => {
        const text = Buffer.from(body);
        // Addresses of content name the registry itself: who stands in between sees those requests too.
        const told = text.includes(stage.honest.url.href)
          ? text.toString().replaceAll(stage.honest.url.href, url)
          : text;
        return response
          .writeHead(status, { 'content-type': contentType })
          .end(status === 204 || status === 304 ? '' : told);
      })
      .catch((failure: unknown) => response.destroy(failure instanceof Error ? failure : undefined));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new TypeError('no address');
  url = `http://127.0.0.1:${address.port}/`;
  earlier = new Recording(stage.honest.url);
  visited = await openUser();
  answerer = (target, init) => earlier.ask(target, init);
  await visited.ok(...commandLine('test:victim', 'before.wasm'));
  await stage.goOn();
  honest = new Recording(stage.honest.url);
  evil = new Recording(stage.evil.url);
  const stranger = await openUser();
  answerer = (target, init) => evil.ask(target, init);
  await stranger.run('get', 'test:victim', '--registry', url, '--operator-key', stage.evil.operatorKeyId);
  await stranger.dispose();
});
after(async () => {
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await visited.dispose();
  await stage.dispose();
});

function commandLine(target: string, output: string): readonly string[] {
  return ['get', target, '--registry', url, '--operator-key', stage.operatorKeyId, '-o', output];
}

function initOf({ method = 'GET' }: IncomingMessage, body: string): RequestInit {
  const headers: Record<string, string> = body === '' ? {} : { 'content-type': 'application/json' };
  return { method, headers, body: body === '' ? null : body };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** What comes of one command, in a home that nobody else uses; the file is `null` when there is none. */
async function getOnce(target: string, isVisited: boolean, answers: Answerer) {
  const user = await openUser();
  let requests = 0;
  answerer = (asked, init) => {
    requests++;
    return answers(asked, init);
  };
  try {
    if (isVisited) await cp(visited.home, user.home, { recursive: true });
    const { code, stderr } = await user.run(...commandLine(target, 'out.wasm'));
    const file = await readFile(path.join(user.home, 'out.wasm'), 'latin1').catch(() => null);
    return { code, stderr, file, requests };
  } finally {
    await user.dispose();
  }
}

test(`${MUTATIONS} lies to the command line: the right file or exit 65, 66, 68 or 69 (threats T1, T2, L4)`, async (context) => {
  const truths = new Map<string, Awaited<ReturnType<typeof getOnce>>[]>();
  const ended = new Map<number, number>();
  for (let number = 0, lies = 0; lies < MUTATIONS; number++) {
    const dice = new Dice(SEED * 1_000_033 + number);
    const [target, isVisited] = [dice.of(['test:victim', 'test:victim@1.1.0', 'test:third@1.1.0']), dice.oneIn(2)];
    const scene = `${target}${isVisited ? ', again' : ''}`;
    const known = truths.get(scene) ?? [
      await getOnce(target, isVisited, (asked, init) => honest.ask(asked, init)),
      await getOnce(target, isVisited, (asked, init) => earlier.ask(asked, init)),
    ];
    truths.set(scene, known);
    const lie = lieOf(dice, known[0]?.requests ?? 1, { honest, others: [earlier, evil] });
    const { code, stderr, file } = await getOnce(target, isVisited, lie.answer);
    if (lie.told() === 0) continue;
    lies++;
    ended.set(code, (ended.get(code) ?? 0) + 1);
    const what = `WAYBILL_TEST_SEED=${SEED}, lie ${number}: ${lie.name}, ${scene}: exit ${code}, ${stderr}`;
    assert.doesNotMatch(stderr, /^\s+at /m, what);
    if (code === 0)
      assert.ok(
        known.some((truth) => truth.code === 0 && truth.file === file),
        what,
      );
    else assert.ok(ALLOWED.has(code) && file === null, what);
  }
  context.diagnostic(`seed ${SEED}: exit codes ${JSON.stringify(Object.fromEntries(ended))}`);
});
