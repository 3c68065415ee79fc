& {
$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
'', 'machine pkgs.dev.azure.com', '  login {organization}', "  password $pat" | Add-Content -Encoding ascii ~/_netrc
pip config set global.index-url https://pkgs.dev.azure.com/{organization}/_packaging/FEED/pypi/simple/
}
