$pat = [Net.NetworkCredential]::new('', (Read-Host 'Token' -AsSecureString)).Password
dotnet nuget add source https://pkgs.dev.azure.com/{organization}/_packaging/FEED/nuget/v3/index.json `
  --name FEED --username {organization} --password $pat
Remove-Variable pat
