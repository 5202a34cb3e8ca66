#!/bin/sh
# Installs what the conformance run needs; safe to run again, quick when nothing is missing.
# Says in one line what is missing when it cannot install it.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "conformance/setup.sh: $*" >&2
    exit 1
}

is_installed() {
    # A program that was installed by other means is as good as the package.
    case $1 in
    chromium | curl | firefox-esr | python3) command -v "$1" >/dev/null 2>&1 && return 0 ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null && return 0 ;;
    esac
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $(grep -v '^#' apt-packages.txt); do
    is_installed "$package" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || fail "not root, so please run: apt-get install --no-install-recommends$missing"
    apt-get update -qq || fail "apt-get update failed; missing packages:$missing"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null ||
        fail "apt-get could not install:$missing"
fi

command -v node >/dev/null 2>&1 || fail "node (20 or newer) is missing"
command -v npm >/dev/null 2>&1 || fail "npm is missing"
command -v cargo >/dev/null 2>&1 || fail "cargo is missing"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || fail "node is $(node --version), 20 or newer is needed"

if ! cmp -s package-lock.json node_modules/.conformance-lock; then
    npm ci --silent --no-audit --no-fund || fail "npm ci failed"
    cp package-lock.json node_modules/.conformance-lock
fi

if ! cmp -s requirements.txt .venv/.conformance-requirements; then
    python3 -m venv .venv || fail "python3 -m venv failed"
    .venv/bin/python -m pip install --quiet --requirement requirements.txt || fail "pip could not install requirements.txt"
    cp requirements.txt .venv/.conformance-requirements
fi

cargo build --quiet --locked --release --manifest-path clients/eventsource-client/Cargo.toml \
    --target-dir clients/eventsource-client/target || fail "the eventsource-client program does not build"
