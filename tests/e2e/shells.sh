#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The completion scripts of zsh and fish in these shells themselves; bash's is among the end-to-end tests.
# Without the shells (scripts/packages full installs them) it fails: nothing is skipped.
set -u
sygra=$(realpath "${BIN:-build/sygra}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
mkdir mine
"$sygra" completion zsh >_sygra
"$sygra" completion fish >sygra.fish
passed=0 failed=0

claim() { # claim TEXT WANTED GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n      wanted: %s\n      got:    %s\n' "$1" "$2" "$3"
    fi
}

# A terminal of its own for zsh, which completes at a TAB only; what it offers is listed by the widget.
in_zsh() {
    zsh -f -c '
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; unsetopt zle_bracketed_paste; fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -d $PWD/dump; bindkey \"^I\" complete-word; zstyle \":completion:*\" list-prompt \"\"; LISTMAX=1000; print READY"
        zpty -r -m z got "*READY*READY*"
        zpty -w -n z "$1"$'"'\t'"'
        sleep 1
        zpty -w z ""
        zpty -r -m -t z got "*" >/dev/null
        while zpty -r -t z more; do got+=$more; done
        print -r -- "$got"' zsh "$1" | tr -d '\r' | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g'
}

claim "zsh reads its script" "0" "$(zsh -n _sygra 2>&1; echo $?)"
claim "zsh knows whom it completes" "_sygra" "$(zsh -f -c 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d $PWD/dump; print $_comps[sygra]')"
claim "zsh completes a value" "yes" "$(in_zsh 'sygra graph --format merm' | grep -q 'mermaid' && echo yes)"
claim "fish reads its script" "0" "$(fish -n sygra.fish 2>&1; echo $?)"

in_fish() { fish --no-config -c "source sygra.fish; complete -C '$1'" | cut -f 1 | tr '\n' ' '; }
claim "fish completes verbs" "records resume retry " "$(in_fish 'sygra re' | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/^ //')"
claim "fish completes options" "--format " "$(in_fish 'sygra graph --fo')"
claim "fish completes values" "mermaid " "$(in_fish 'sygra graph --format m')"
claim "fish completes folders" "mine/ " "$(in_fish 'sygra run m')"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
