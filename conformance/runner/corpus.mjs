// Builds the corpus: real texts of Debian packages, cut into events, one line each.
// Deterministic: the same package versions give the same events, and the digest says so.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const sourcesFile = new URL("../corpus/sources.json", import.meta.url);

// A corpus without these would prove little; each is a corner where parsers differ. Shares of the event count.
const demanded = {
  empty: 0.01,
  leading_space: 0.01,
  leading_tab: 0.1,
  carriage_return: 0.01,
  several_lines: 0.005,
  look_alike_of_a_line_end: 0.005,
  emoji: 0.1,
  control_character: 0.005,
  byte_order_mark: 0.00005,
};
const scriptsDemanded = 18;

// Every 41st line takes its successor into the same event. What joins them goes in turn through the
// three spellings of a line end, and through the characters that only look like one to a careless
// parser (LS, PS, NEL, VT, FF, FS). 41 is prime to the block length, so every source gets its share.
const joinEvery = 41;
const lineEnds = ["\n", "\r\n", "\r"];
const lookAlikes = ["\u2028", "\u2029", "\u0085", "\u000b", "\u000c", "\u001c"];
const joints = [...lineEnds, ...lookAlikes];

/** The data a conforming client must see: HTML ends lines at CR, LF and CRLF, and joins them by LF. */
export const asReceived = (data) => data.replace(/\r\n|\r/g, "\n");

export function buildCorpus(count) {
  const { block_lines, sources } = JSON.parse(readFileSync(sourcesFile, "utf8"));
  const open = sources.map((source) => ({ ...source, lines: readLines(source), next: 0 }));
  const lines = rotate(open, block_lines);
  const events = [];
  for (let taken = 0; events.length < count;) {
    const line = lines.next();
    if (line.done)
      throw new Error(`the corpus has only ${events.length} events, ${count} were asked for`);
    const { type, text } = line.value;
    taken += 1;
    let data = text;
    if (taken % joinEvery === 0) {
      const successor = lines.next();
      if (!successor.done)
        data += joints[(taken / joinEvery) % joints.length] + successor.value.text;
    }
    events.push({ type, data });
  }
  return { events, ...describe(events) };
}

function readLines({ file, package: name }) {
  let bytes;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new Error(`${file} is missing: apt-get install ${name}`);
  }
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  // Cut at LF alone: files with CRLF keep their CR as the last character of the data.
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function* rotate(sources, blockLines) {
  for (let remaining = sources; remaining.length > 0;) {
    for (const source of remaining) {
      const block = source.lines.slice(source.next, source.next + blockLines);
      source.next += blockLines;
      for (const text of block) yield { type: source.type, text };
    }
    remaining = remaining.filter((source) => source.next < source.lines.length);
  }
}

function describe(events) {
  const count = (test) => events.filter(({ data }) => test(data)).length;
  const features = {
    empty: count((data) => data === ""),
    leading_space: count((data) => data.startsWith(" ")),
    leading_tab: count((data) => data.startsWith("\t")),
    carriage_return: count((data) => data.includes("\r")),
    several_lines: count((data) => /[\r\n]./s.test(data)),
    look_alike_of_a_line_end: count((data) =>
      lookAlikes.some((character) => data.includes(character)),
    ),
    emoji: count((data) => /\p{Emoji_Presentation}/u.test(data)),
    control_character: count((data) =>
      /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u0080-\u009f]/.test(data),
    ),
    byte_order_mark: count((data) => data.includes("\ufeff")),
  };
  for (const [feature, share] of Object.entries(demanded)) {
    const least = Math.ceil(events.length * share);
    if (features[feature] < least) {
      throw new Error(
        `the corpus has ${features[feature]} events with ${feature}, at least ${least} are needed`,
      );
    }
  }
  const digest = createHash("sha256");
  let bytes = 0;
  for (const { type, data } of events) {
    digest.update(`${type}\0${data}\0`);
    bytes += Buffer.byteLength(data);
  }
  return { features, scripts: scriptsOf(events), bytes, digest: digest.digest("hex") };
}

// The scripts a reader of the corpus would name; Common and Inherited are in every line and say nothing.
const scriptNames = [
  "Arabic",
  "Armenian",
  "Bengali",
  "Chakma",
  "Cherokee",
  "Cyrillic",
  "Devanagari",
  "Ethiopic",
  "Georgian",
  "Greek",
  "Gujarati",
  "Han",
  "Hangul",
  "Hebrew",
  "Hiragana",
  "Katakana",
  "Khmer",
  "Latin",
  "Malayalam",
  "Myanmar",
  "Ol_Chiki",
  "Oriya",
  "Tamil",
  "Telugu",
  "Thai",
];

function scriptsOf(events) {
  const text = events.map(({ data }) => data).join("\n");
  const found = scriptNames.filter((script) => new RegExp(`\\p{Script=${script}}`, "u").test(text));
  if (found.length < scriptsDemanded)
    throw new Error(`the corpus has only these scripts: ${found.join(", ")}`);
  return found;
}
