printf 'Token: '; read -rs PAT; echo
dotnet nuget add source https://pkgs.dev.azure.com/{organization}/_packaging/FEED/nuget/v3/index.json \
  --name FEED --username {organization} --password "$PAT" --store-password-in-clear-text
unset PAT
