printf 'Token: '; read -rs PAT; echo
printf 'header = "Authorization: Basic %s"\n' "$(printf ':%s' "$PAT" | base64 | tr -d '\n')" |
  curl --config - --fail-with-body '{api}'
unset PAT
