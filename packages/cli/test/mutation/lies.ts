import type { Dice } from '@waybill/tools/test-scale';
import { MUTATORS, type ProxiedAnswer } from './answer-mutations.ts';
import { kindOf, type Recording } from './recording.ts';

/** A proxy that lies once, or about one kind of question. */
export interface Lie {
  readonly name: string;
  readonly answer: (url: string, init: RequestInit) => Promise<ProxiedAnswer>;
  /** How many answers were changed. */
  readonly told: () => number;
}

/** Where answers come from: to be changed, and to change them with. */
export interface Recordings {
  readonly honest: Recording;
  readonly others: readonly Recording[];
}

/** One answer of the honest registry is changed, now and then two; or every answer to one kind of request. */
export function lieOf(dice: Dice, requests: number, { honest, others }: Recordings): Lie {
  const [name, mutate] = dice.of(Object.entries(MUTATORS));
  const wanted = new Set([dice.below(requests), ...(dice.oneIn(5) ? [dice.below(requests)] : [])]);
  const isLasting = dice.oneIn(2);
  const kinds = new Set<string>();
  let request = 0;
  let told = 0;
  return {
    name,
    told: () => told,
    async answer(url, init) {
      const answer = await honest.ask(url, init);
      const kind = kindOf(url);
      if (!wanted.has(request++) && !(isLasting && kinds.has(kind))) return answer;
      kinds.add(kind);
      const donors = (await Promise.all([honest, ...others].map((each) => each.answersOf(kind)))).flat();
      const changed = mutate(answer, { dice, donors: donors.filter((donor) => donor !== answer) });
      if (changed !== null) told++;
      return changed ?? answer;
    },
  };
}
