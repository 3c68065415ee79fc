(
printf 'Token: '; read -rs PAT; echo
printf 'user = ":%s"\n' "$PAT" | curl --config - --fail-with-body '{api}'
)
