// Compares what came back with what a case expects.
//
// An expected text between slashes is a regular expression; null means "is not there"; an object
// must be contained; everything else must be equal. `${name}` stands for what an earlier step saved.

export const fill = (text, saved) =>
  text.replace(/\$\{(\w+)\}/g, (_, name) => {
    if (!(name in saved)) throw new Error(`nothing was saved as ${name}`);
    return saved[name];
  });

const escaped = (text) => String(text).replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** The places at which `actual` differs, as sentences; empty when it matches. */
export function differences(expected, actual, saved, place) {
  const unequal = () => [`${place} is ${shown(actual)}, expected ${shown(expected)}`];
  if (expected === null) return actual === undefined || actual === null ? [] : unequal();
  if (typeof expected === "string" && /^\/.*\/[su]*$/s.test(expected)) {
    const [, source, flags] = /^\/(.*)\/([su]*)$/s.exec(expected);
    const filled = fill(
      source,
      Object.fromEntries(Object.entries(saved).map(([name, value]) => [name, escaped(value)])),
    );
    return actual !== undefined && new RegExp(filled, flags).test(String(actual)) ? [] : unequal();
  }
  if (typeof expected === "string") {
    const filled = fill(expected, saved);
    return filled === actual ? [] : [`${place} is ${shown(actual)}, expected ${shown(filled)}`];
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return unequal();
    return expected.flatMap((item, index) =>
      differences(item, actual[index], saved, `${place}[${index}]`),
    );
  }
  if (typeof expected === "object") {
    if (typeof actual !== "object" || actual === null) return unequal();
    return Object.entries(expected).flatMap(([name, value]) =>
      differences(value, actual[name], saved, `${place}.${name}`),
    );
  }
  return Object.is(expected, actual) ? [] : unequal();
}

function shown(value) {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
