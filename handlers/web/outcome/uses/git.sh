(
printf 'Token: '; read -rs PAT; echo
git config --get credential.helper > /dev/null || git config --global credential.helper cache
git config --global credential.azreposCredentialType pat
printf 'protocol=https\nhost=dev.azure.com\npath={organization}\nusername={organization}\npassword=%s\n\n' "$PAT" | git credential approve
git clone https://{organization}@dev.azure.com/{organization}/PROJECT/_git/REPOSITORY
)
