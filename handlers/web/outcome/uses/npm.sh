printf 'Token: '; read -rs PAT; echo
BASE64=$(printf %s "$PAT" | base64 | tr -d '\n')
for AT in //pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/registry/ //pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/; do
  printf '%s:username={organization}\n%s:_password=%s\n%s:email=unused@example.com\n' "$AT" "$AT" "$BASE64" "$AT"
done >> ~/.npmrc
chmod 600 ~/.npmrc; unset PAT BASE64 AT
npm config set --location=project registry=https://pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/registry/
