// A small seeded generator (mulberry32): one seed printed is one run that can be repeated.

export function seededRandom(seed, label = "") {
  let state = seed >>> 0;
  for (const character of label)
    state = Math.imul(state ^ character.codePointAt(0), 0x9e3779b1) >>> 0;
  const unit = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { unit, below: (bound) => Math.floor(unit() * bound) };
}
