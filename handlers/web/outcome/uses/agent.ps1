.\config.cmd --url https://dev.azure.com/{organization} --auth pat --pool Default
