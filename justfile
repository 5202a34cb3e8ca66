# The verbs of this repository. What they do lives in xtask; `just` alone lists them.

# List the verbs.
default:
    @just --list

# Formatting, arrows, budgets, words and lints: the quick half of `test`.
check:
    cargo xtask test --only fmt,tidy,clippy

# Everything, as CI runs it; `just test --list` shows the steps, `just test --only unit` runs one.
test *ARGS:
    cargo xtask test {{ARGS}}

# An open hub on this machine, with the playground.
dev *ARGS:
    cargo run -- dev {{ARGS}}

# Feed a fuzz target with random input; needs a nightly toolchain and cargo-fuzz.
fuzz TARGET SECONDS="60":
    cargo xtask fuzz {{TARGET}} --seconds {{SECONDS}}

# Measure one part against its peers.
bench NAME="decoder":
    cargo xtask bench {{NAME}}
