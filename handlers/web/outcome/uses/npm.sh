(
printf 'Token: '; read -rs PAT; echo
for AT in //pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/registry/ //pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/; do
  printf '\n%s:username={organization}\n%s:_password=%s\n%s:email=unused@example.com\n' "$AT" "$AT" "$(printf %s "$PAT" | base64 | tr -d '\n')" "$AT"
done >> ~/.npmrc
chmod 600 ~/.npmrc
npm config set --location=project registry=https://pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/registry/
)
