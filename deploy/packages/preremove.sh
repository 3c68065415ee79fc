#!/bin/sh
# Called with "remove" or "upgrade" by dpkg; with 0 (remove) or 1 (upgrade) by rpm.
set -e

if [ "$1" = remove ] || [ "$1" = 0 ]; then
  if [ -d /run/systemd/system ] && [ -z "$DPKG_ROOT" ]; then
    for unit in /usr/lib/systemd/system/patdesk.s*[!d]; do # not the folder of the service's additions
      systemctl disable --now "${unit##*/}"
    done
  fi
fi
