#!/bin/sh
# Called with "remove" or "upgrade" by dpkg; with 0 (remove) or 1 (upgrade) by rpm.
set -e

if [ "$1" = remove ] || [ "$1" = 0 ]; then
  now=
  if [ -d /run/systemd/system ] && [ -z "$DPKG_ROOT" ]; then
    now=--now # where an image is made, nothing runs
  fi
  for unit in "$DPKG_ROOT"/usr/lib/systemd/system/patdesk.s*[!d]; do # not the folder of the service's additions
    systemctl ${DPKG_ROOT:+"--root=$DPKG_ROOT"} disable $now "${unit##*/}"
  done
fi
