#!/usr/bin/env bash
# Installs system packages that are missing: system_packages.sh audio|browser|firefox|sound-server|PACKAGE...
# Only where apt-get is there and we are root; elsewhere it says what is missing, and exits with 1.
set -uo pipefail

say() { printf 'system packages: %s\n' "$*" >&2; }

has_portaudio() {
    [ "$(uname -s)" != Linux ] || ldconfig -p 2>/dev/null | grep -q libportaudio.so.2
}
has_browser() {
    command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}
has_firefox() { command -v firefox-esr >/dev/null || command -v firefox >/dev/null; }
has_sound_server() { command -v pulseaudio >/dev/null && command -v paplay >/dev/null; }
has_package() { dpkg -s "$1" 2>/dev/null | grep -q '^Status: .* installed'; }

install() {
    local why=$1; shift
    if ! command -v apt-get >/dev/null; then
        say "missing: $* ($why); install it with your system's package manager"
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        say "missing: $* ($why); install it: sudo apt-get install $*"
        return 1
    fi
    say "installing $* ($why)"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=120)
    { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } >/dev/null
    local status=$?
    [ $status = 0 ] || say "apt-get could not install $*; going on without"
    return $status
}

status=0
for wish in "$@"; do
    case $wish in
        audio) has_portaudio || install "PortAudio, for microphones" libportaudio2 libasound2-plugins ;;
        browser) has_browser || install "Chromium, for the browser tests" chromium ;;
        firefox) has_firefox || install "Firefox, for its browser tests" firefox-esr ;;
        sound-server) has_sound_server || install "PulseAudio, for the microphone tests" pulseaudio pulseaudio-utils ;;
        *) has_package "$wish" || install "needed for the virtual environment" "$wish" ;;
    esac || status=1
done
exit $status
