// Runs the protocol cases of http/*.json against the real hub: bytes in, status, headers and body out.

import { readFileSync, readdirSync } from "node:fs";
import { Exchange, websocketHandshake } from "./exchange.mjs";
import { startHub } from "./hub.mjs";
import { differences, fill } from "./match.mjs";

const folder = new URL("../http/", import.meta.url);
// What a hub on this machine does, it does within milliseconds; this is for a busy machine.
const deadlineMs = 10_000;

export async function runCases({ isWanted }) {
  const total = { passed: 0, failed: 0 };
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .sort();
  for (const file of files) {
    const name = file.replace(".json", "");
    if (!isWanted("http", name)) continue;
    const suite = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    const { passed, failed } = await runSuite(name, suite);
    console.log(`http/${name}: ${passed} passed, ${failed} failed`);
    total.passed += passed;
    total.failed += failed;
  }
  return total;
}

async function runSuite(name, { hub: flags = [], cases }) {
  const hub = await startHub(flags);
  const outcome = { passed: 0, failed: 0 };
  try {
    for (const [index, one] of cases.flatMap(expand).entries()) {
      const faults = await runCase(one, { hub, topic: `/case/${name}/${index + 1}` });
      outcome[faults.length === 0 ? "passed" : "failed"] += 1;
      for (const fault of faults) console.log(`http/${name}: ${one.name}: ${fault}`);
    }
  } finally {
    await hub.stop();
  }
  return outcome;
}

/** A case with `each` is one case per row; the row's values can be used as `${name}`. */
const expand = (one) =>
  (one.each ?? [{}]).map((row) => ({ ...one, row, name: fill(one.name, row) }));

async function runCase({ steps, row }, { hub, topic }) {
  const saved = { topic, name: topic.slice(1), host: new URL(hub.url).host, ...row };
  const context = { hub, saved, open: new Map() };
  try {
    const repeated = steps.flatMap((step) => Array.from({ length: step.times ?? 1 }, () => step));
    for (const [index, step] of repeated.entries()) {
      const faults = await runStep(step, context);
      if (faults.length > 0) return faults.map((fault) => `step ${index + 1}: ${fault}`);
    }
    return [];
  } catch (error) {
    return [error.message];
  } finally {
    for (const exchange of context.open.values()) exchange.close();
  }
}

/**
 * A step begins an exchange (`request` or `raw`), or goes on with one that an earlier step left
 * open: `chunk` and `last_chunk` send more of its body, `frame` a WebSocket frame, `read` waits for
 * more, `pause` stops reading until the next `read`.
 */
async function runStep(step, context) {
  const goesOn = step.chunk ?? step.last_chunk ?? step.frame ?? step.read ?? step.pause;
  const exchange =
    goesOn === undefined ? begin(step, context) : context.open.get(step.on ?? goesOn);
  if (!exchange) throw new Error(`no open exchange is called ${step.on ?? goesOn}`);
  if (step.chunk !== undefined) exchange.write(asChunk(fill(step.chunk, context.saved)));
  if (step.last_chunk !== undefined)
    exchange.write(asChunk(fill(step.last_chunk, context.saved)) + "0\r\n\r\n");
  if (step.frame !== undefined) exchange.sendFrame(fill(JSON.stringify(step.frame), context.saved));
  if (step.pause !== undefined) exchange.pause();
  if (step.read !== undefined) exchange.resume();

  if (step.open) context.open.set(step.open, exchange);
  const faults = step.expect ? await check(step.expect, exchange, context.saved) : [];
  for (const [name, path] of Object.entries(step.save ?? {}))
    context.saved[name] = pick(exchange, path);
  if (goesOn === undefined && !step.open) exchange.close();
  return faults;
}

function begin(step, { hub, saved }) {
  const exchange = new Exchange(hub.url, { method: (step.request ?? "").split(" ")[0] });
  if (step.raw !== undefined) {
    exchange.write(Buffer.from(fill(step.raw, saved), "utf8"));
    return exchange;
  }
  const websocket = step.websocket ? websocketHandshake() : undefined;
  if (websocket) saved.accept = websocket.accept;
  const headers = { host: saved.host, ...websocket?.headers, ...step.headers };
  const body = bodyOf(step, saved);
  if (step.chunks) headers["transfer-encoding"] = "chunked";
  else if (body !== undefined) headers["content-length"] ??= body.length;
  // latin1 keeps each byte of a UTF-8 target or header as it is written in the case.
  const lines = Object.entries(headers).map(
    ([name, value]) => `${name}: ${fill(String(value), saved)}\r\n`,
  );
  exchange.write(
    Buffer.from(`${fill(step.request, saved)} HTTP/1.1\r\n${lines.join("")}\r\n`, "utf8"),
  );
  if (body !== undefined) exchange.write(body);
  for (const chunk of step.chunks ?? []) exchange.write(asChunk(fill(chunk, saved)));
  if (step.chunks && !step.open) exchange.write("0\r\n\r\n");
  return exchange;
}

function bodyOf({ body, body_hex, body_times }, saved) {
  if (body_hex !== undefined) return Buffer.from(body_hex, "hex");
  if (body === undefined) return undefined;
  return Buffer.from(fill(body, saved).repeat(body_times ?? 1), "utf8");
}

const asChunk = (text) =>
  text === "" ? "" : `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

async function check(expect, exchange, saved) {
  await exchange.until(() => exchange.status !== undefined, deadlineMs);
  const faults = [];
  const compare = (expected, actual, place) =>
    expected !== undefined && faults.push(...differences(expected, actual, saved, place));
  compare(expect.status, exchange.status, "the status");
  compare(expect.headers, exchange.headers, "headers");
  if (expect.code)
    compare("application/problem+json", exchange.headers["content-type"], "the content type");
  if (faults.length > 0) return [...faults, ...bodyHint(exchange)];

  if (expect.blocks)
    await exchange.until(() => exchange.blocks.length >= expect.blocks.length, deadlineMs);
  if (expect.lines)
    await exchange.until(() => exchange.lines.length >= expect.lines.length, deadlineMs);
  if (expect.eventually)
    await exchange.until(() => foundAmong(expect.eventually, exchange.blocks, saved), deadlineMs);
  const isWhole =
    expect.json !== undefined ||
    expect.code !== undefined ||
    expect.ends ||
    (expect.body !== undefined && !expect.blocks && !expect.lines);
  if (isWhole && !(await exchange.until(() => exchange.hasEnded, deadlineMs)))
    faults.push("the response does not end");
  compare(expect.blocks, exchange.blocks.splice(0, expect.blocks?.length ?? 0), "blocks");
  if (expect.eventually && !foundAmong(expect.eventually, exchange.blocks, saved))
    faults.push(`no block matches ${JSON.stringify(expect.eventually)}`);
  compare(expect.lines, exchange.lines.splice(0, expect.lines?.length ?? 0), "lines");
  compare(expect.body, exchange.body.toString("utf8"), "the body");
  if (expect.json !== undefined || expect.code !== undefined) {
    const json = asJson(exchange.body);
    compare(expect.json, json, "json");
    if (expect.code)
      compare(
        {
          code: expect.code,
          status: exchange.status,
          type: "about:blank",
          title: "/./",
          detail: "/./",
        },
        json,
        "problem",
      );
  }
  if (expect.ends === true) {
    if (exchange.blocks.length > 0)
      faults.push(`more blocks came: ${JSON.stringify(exchange.blocks.slice(0, 3))}`);
    if (exchange.lines.length > 0)
      faults.push(`more lines came: ${JSON.stringify(exchange.lines.slice(0, 3))}`);
  }
  return faults;
}

const foundAmong = (expected, blocks, saved) =>
  blocks.some((block) => differences(expected, block, saved, "").length === 0);

const bodyHint = ({ body }) =>
  body.length > 0 ? [`the body was ${body.toString("utf8").slice(0, 300)}`] : [];

function asJson(body) {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

// "json.id", "headers.location", "block.id" (the last one read is gone; the id is the reader's own).
function pick(exchange, path) {
  const [kind, ...rest] = path.split(".");
  const from = {
    json: () => asJson(exchange.body),
    headers: () => exchange.headers,
    stream: () => firstBlock(exchange),
  }[kind]();
  const value = rest.reduce((value, name) => value?.[name], from);
  if (value === undefined) throw new Error(`there is no ${path} to save`);
  return String(value);
}

// The first block of a stream, from its bytes, whether a step has read it or not.
function firstBlock({ body }) {
  const text = body.toString("utf8");
  return { id: /^id: (.*)$/m.exec(text)?.[1], retry: /^retry: (.*)$/m.exec(text)?.[1] };
}
