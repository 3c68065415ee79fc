#!/bin/sh
# Called with "configure" and the version before, if any, by dpkg; with the number of versions installed by rpm.
set -e

systemd-sysusers ${DPKG_ROOT:+"--root=$DPKG_ROOT"} patdesk.conf
systemd-tmpfiles ${DPKG_ROOT:+"--root=$DPKG_ROOT"} --create patdesk.conf
if [ -d /run/systemd/system ] && [ -z "$DPKG_ROOT" ]; then
  systemctl daemon-reload
  systemctl try-restart patdesk.service # an upgrade; nothing is started that didn't run
fi

if [ "$1" = 1 ] || { [ "$1" = configure ] && [ -z "$2" ]; }; then
  cat <<'END'
patdesk is installed, and not started yet. Next:
  1. Fill in CLIENT_ID, AUTHORITY, BASE_URL and a credential in /etc/patdesk/patdesk.env
     (/usr/share/doc/patdesk/README.md says how, /usr/share/doc/patdesk/docs/configuration.md has all settings).
  2. systemctl enable --now patdesk
END
fi
