& {
$env:AZURE_ARTIFACTS_TOKEN = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
mvn verify
}
