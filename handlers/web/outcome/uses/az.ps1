az devops configure --defaults organization=https://dev.azure.com/{organization}
az devops login --organization https://dev.azure.com/{organization}
