#!/bin/sh
# Called with "remove" or "purge" by dpkg; with 0 (remove) or 1 (upgrade) by rpm.
set -e

if [ -d /run/systemd/system ] && [ -z "$DPKG_ROOT" ]; then
  systemctl daemon-reload
fi
case $1 in
  purge | 0)
    if [ -e "$DPKG_ROOT/var/lib/patdesk" ]; then
      echo "What patdesk has recorded stays in /var/lib/patdesk, and so do the user patdesk and the group patdesk-proxy. To remove them: rm -r /var/lib/patdesk; userdel patdesk; groupdel patdesk-proxy"
    fi ;;
esac
