#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs a copy of this checkout in a fresh Debian or Ubuntu that has make and nothing else, as the README says.
#
# Needs root and debootstrap. The system is the one this machine runs; SYGRA_ROOT_SUITE, SYGRA_ROOT_MIRROR and
# SYGRA_ROOT_COMPONENTS choose another. It is made once and kept as build/fresh-root/SUITE.tar.
# The logs are build/fresh-root/*.log.
# Ends with `N passed, N failed`.
set -eu
cd "$(dirname "$0")/../.."

here=$PWD/build/fresh-root
root=$here/root
passed=0
failed=0

report() { # report STATUS CLAIM [LOG]
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok    $2"
    else
        failed=$((failed + 1))
        echo "FAIL  $2"
        [ -z "${3:-}" ] || tail -n 25 "$3" | sed 's/^/      | /'
    fi
}

finish() {
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
}

give_up() {
    report 1 "$@"
    finish
}

[ "$(id -u)" -eq 0 ] || give_up "a fresh root can be made by root only"

# --- the system ----------------------------------------------------------------------------------------------

suite=${SYGRA_ROOT_SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
components=${SYGRA_ROOT_COMPONENTS:-$(. /etc/os-release && { [ "$ID" != ubuntu ] || echo main,universe; })}
base=$here/$suite.tar

make_base() {
    local mirror=${SYGRA_ROOT_MIRROR:-}
    [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        "Codename: $suite" 'Component: main' | head -n 1)
    rm -rf "$root" "$base.new"
    debootstrap --variant=minbase --include=make --components="${components:-main}" "$suite" "$root" "$mirror"
    # A network with a certificate authority of its own needs it in there, too.
    if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
        chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ca-certificates
        cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates"
        chroot "$root" update-ca-certificates
    fi
    tar -C "$root" -cf "$base.new" . && mv "$base.new" "$base"
}

leave_root() { # the folder of an earlier or this run; /dev was bound in, so look twice before anything is removed
    umount -R "$root/dev" 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    if grep -q " $root/" /proc/mounts; then
        echo "still mounted below $root: not removed"
        return 1
    fi
    rm -rf --one-file-system "$root"
}

mkdir -p "$here"
leave_root
trap 'leave_root || true' EXIT
[ -f "$base" ] || (set -e; make_base) >"$here/base.log" 2>&1 </dev/null ||
    give_up "a fresh $suite is made by debootstrap" "$here/base.log"
mkdir -p "$root"
tar -C "$root" -xf "$base"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev" # else unmounting it takes the machine's own /dev along
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

# A clean environment but for what leads to the package indexes.
settings=()
for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL npm_config_registry http_proxy https_proxy no_proxy SYGRA_TEST_PATIENCE; do
    [ -z "${!name:-}" ] || settings+=("$name=${!name}")
done

in_root() { # in_root USER HOME FOLDER COMMAND
    chroot --userspec="$1" "$root" env -i "${settings[@]}" HOME="$2" LC_ALL=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c "cd $3 && $4" </dev/null
}

copy_checkout() { # copy_checkout FOLDER OWNER: what git has or would take
    mkdir -p "$root$1"
    git -c safe.directory='*' ls-files -co --exclude-standard -z |
        tar -c --null -T - --ignore-failed-read 2>/dev/null | tar -x -C "$root$1"
    chown -R "$2" "$root$1"
}

try() { # try CLAIM LOG COMMAND...: the claim holds when the command ends well
    local claim=$1 log=$here/$2.log status=0 start=$SECONDS
    shift 2
    "$@" >"$log" 2>&1 || status=$?
    report $status "$claim ($((SECONDS - start)) s)" "$log"
}

# --- what must hold ------------------------------------------------------------------------------------------

named_at_once() {
    ! in_root nobody:nogroup /nonexistent /srv/bare "make demo" || return 1
    ! ls "$root/srv/bare/build" || return 1
}
one_line_names_all() {
    [ "$(grep -c 'apt-get install' "$here/bare.log")" -eq 1 ] || return 1
    local package
    for package in gcc cmake git python3-venv libuv1-dev libjq-dev libcmocka-dev; do
        grep 'apt-get install' "$here/bare.log" | grep -qw "$package" || { echo "$package is not named"; return 1; }
    done
}
demo_output() { grep -q '"' "$root$1/build/demo/output.json"; }
offline() { # without network, and with a home that cannot be written
    unshare --net --mount sh -c "mount --bind '$root/root' '$root/root' && mount -o remount,bind,ro '$root/root' && \
        exec chroot '$root' env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'cd /srv/sygra && $1'"
}
fetched_nothing() { ! grep -E 'Fetching|Installing' "$here/$1.log"; }
no_half_done() { ! find "$root/root/.cache/sygra" "$root/srv" -maxdepth 4 -name '.fetch.??????' | grep .; }
hook_task() { # by the Python that `make demo` has installed, without any package
    local task=$root/srv/tasks/twice
    mkdir -p "$task"
    echo '{"n": 21}' >"$task/data.jsonl"
    cat >"$task/task_executor.py" <<'EOF'
from sygra.core.graph.functions.lambda_function import LambdaFunction


class Twice(LambdaFunction):
    @staticmethod
    def apply(lambda_node_dict, state):
        return {"m": 2 * state["n"]}
EOF
    cat >"$task/graph_config.yaml" <<'EOF'
data_config: {source: {type: disk, file_path: data.jsonl}}
graph_config:
  nodes: {twice: {node_type: lambda, lambda: tasks.twice.task_executor.Twice, output_keys: m}}
  edges: [{from: START, to: twice}, {from: twice, to: END}]
EOF
    in_root root:root /root /srv "sygra/build/sygra run twice --output_with_ts False && grep '\"m\": 42' tasks/twice/output.json"
}
library() {
    in_root root:root /root /srv "python3 -m venv venv && venv/bin/pip install ./sygra" || return 1
    cat >"$root/srv/three.py" <<'EOF'
from sygra import Workflow
three = Workflow("three").source([{"n": 21}]).lambda_func(lambda config, state: {"m": 2 * state["n"]}, output="m")
print(three.preserve_fields("m").run())
EOF
    in_root root:root /root /srv/tasks "../venv/bin/python ../three.py && ../venv/bin/sygra --version" >"$here/three.out" || return 1
    grep -xF "[{'m': 42}]" "$here/three.out"
}
counted() { tail -n 1 "$here/$1.log" | grep -qxE '[1-9][0-9]* passed, 0 failed'; }

copy_checkout /srv/bare nobody:nogroup
try "as nobody, without packages: make demo stops, and nothing is created" bare named_at_once
try "as nobody, without packages: one line names all that is missing" bare-line one_line_names_all

copy_checkout /srv/sygra root:root
try "as root: make demo" demo in_root root:root /root /srv/sygra "make demo"
try "as root: the demo left an output" demo-output demo_output /srv/sygra
try "as root: nothing half done is left" demo-rest no_half_done
try "as root: a task with a hook in Python" hook hook_task
try "as root: pip install . into a virtual environment, and three lines of the library" library library
try "as root, again, without network and with a read-only home: make demo" demo-again offline "make demo"
try "as root, again: nothing was fetched" demo-again-nothing fetched_nothing demo-again
try "as root: make test" test in_root root:root /root /srv/sygra "make test"
try "as root: make test ends with its count" test-count counted test

copy_checkout /srv/nobody nobody:nogroup
try "as nobody, packages there, no home: make demo" nobody in_root nobody:nogroup /nonexistent /srv/nobody "make demo"
try "as nobody: the demo left an output" nobody-output demo_output /srv/nobody

finish
