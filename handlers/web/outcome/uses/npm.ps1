& {
$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
$base64 = [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes($pat))
'registry/', '' | ForEach-Object {
  $at = "//pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/$_"
  '', "${at}:username={organization}", "${at}:_password=$base64", "${at}:email=unused@example.com"
} | Add-Content -Encoding ascii ~/.npmrc
npm config set --location=project registry=https://pkgs.dev.azure.com/{organization}/_packaging/FEED/npm/registry/
}
