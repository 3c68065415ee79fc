& {
$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
git config --global credential.azreposCredentialType pat
"protocol=https`nhost=dev.azure.com`npath={organization}`nusername={organization}`npassword=$pat`n" | git credential approve
git clone https://{organization}@dev.azure.com/{organization}/PROJECT/_git/REPOSITORY
}
