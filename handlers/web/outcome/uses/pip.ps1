$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
"machine pkgs.dev.azure.com`n  login {organization}`n  password $pat" | Add-Content -Encoding ascii ~/_netrc
Remove-Variable pat
pip config set global.index-url https://pkgs.dev.azure.com/{organization}/_packaging/FEED/pypi/simple/
