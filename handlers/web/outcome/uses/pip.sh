(
printf 'Token: '; read -rs PAT; echo
printf '\nmachine pkgs.dev.azure.com\n  login {organization}\n  password %s\n' "$PAT" >> ~/.netrc
chmod 600 ~/.netrc
pip config set global.index-url https://pkgs.dev.azure.com/{organization}/_packaging/FEED/pypi/simple/
)
