{
printf 'Token: '; read -rs AZURE_ARTIFACTS_TOKEN; echo
export AZURE_ARTIFACTS_TOKEN
dotnet restore
}
