& {
$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
$basic = [Convert]::ToBase64String([Text.Encoding]::ASCII.GetBytes(":$pat"))
Invoke-RestMethod '{api}' -Headers @{ Authorization = "Basic $basic" }
}
