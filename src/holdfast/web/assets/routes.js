// What is said of the routes as the gateway has them (`GET /v1/routes`).

import { sameDay, shortDayOf, timeOf } from "./dom.js";

const COUNTED_S = 120; // so near an instant is counted down in seconds
const HERE = "web:local"; // the account of this page
const AGENT = "the agent";
const DEFAULT = "default";
const USES = [HERE, AGENT, "summaries", "scheduled work"]; // what a route can be used for, beside the chains that have a name
const NAME = /^[\w-]+$/;

const STATES = { open: "works", "never tried": "not tried yet" };
const KINDS = {
  config: "can’t be used as it is configured",
  quota: "no credit left",
  "rate-limit": "at its limit",
  loading: "loading its model",
  unknown: "failing",
};

export const isReady = ({ state }) => state in STATES;
export const stateOf = ({ state, gate }) => STATES[state] ?? KINDS[gate.kind] ?? "away";
export const usesOf = ({ chains }) => chains.map((chain) => (chain === HERE ? "this page" : chain));

// What `/model` may take here: `{name, ready, state}` each, those that could answer now first. Left out is what is used already (`chosen`), and what
// leads only to the routes that are waited for.
export function choicesOf(rows, waits, chosen) {
  const waited = new Set(waits.map(({ name }) => name));
  const home = rows.some(({ chains }) => chains.includes(HERE)) ? HERE : AGENT;
  const chains = new Set(rows.flatMap((row) => row.chains.filter((chain) => NAME.test(chain) && !USES.includes(chain))));
  const found = [
    [DEFAULT, rows.filter((row) => row.chains.includes(home))],
    ...[...chains].map((chain) => [chain, rows.filter((row) => row.chains.includes(chain))]),
    ...rows.map((row) => [row.name, [row]]),
  ];
  return found
    .filter(([name, members]) => name !== (chosen || DEFAULT) && members.some((row) => !waited.has(row.name)))
    .map(([name, members]) => ({ name, ready: members.some(isReady), state: members.some(isReady) ? "ready" : stateOf(members[0]) }))
    .sort((a, b) => b.ready - a.ready);
}

// An instant: `14:02`, or with its day.
export const instantOf = (at) => (sameDay(at, Date.now() / 1000) ? timeOf(at) : `${shortDayOf(at)}, ${timeOf(at)}`);

// How far off an instant is: `in 12 s`; "" if it has come.
export function countdown(until) {
  const left = Math.ceil(until - Date.now() / 1000);
  if (left <= 0) return "";
  if (left < COUNTED_S) return `in ${left} s`;
  if (left < 3600) return `in ${Math.round(left / 60)} min`;
  return left < 2 * 86400 ? `in ${Math.round(left / 3600)} h` : `in ${Math.round(left / 86400)} days`;
}

// The same with the instant, where that is not near: `at 14:02, in 50 min`.
export function countdownTo(until) {
  const left = countdown(until);
  return left && until - Date.now() / 1000 > COUNTED_S ? `at ${instantOf(until)}, ${left}` : left;
}
