TOKEN=$(az keyvault secret show --id '{address}/secrets/{secret}' --query value --output tsv)
